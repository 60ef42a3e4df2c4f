//! What the terminal can show.

use console::Term;

/// Widest text that still reads well, in columns.
const WIDEST: u16 = 100;

/// Whether `screen` is a terminal that shows colours. An older console of Windows does so from
/// now on only if this was asked for it.
pub(super) fn takes_colours(screen: &Term) -> bool {
    screen.features().colors_supported() && std::env::var_os("NO_COLOR").is_none()
}

/// For how many columns to write.
pub(super) fn width(screen: &Term) -> usize {
    let columns = screen.size_checked().map_or(WIDEST, |(_, columns)| columns);
    columns.min(WIDEST).into()
}
