//! [`HostInfo`]: the client's host, as it tells the server ([MS-PSRP] 2.2.3.14).

use crate::clixml::{Object, Value};

/// What the client says of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostInfo {
    /// There is none.
    pub is_null: bool,
    /// It has no user interface: what would prompt fails on the server.
    pub ui_is_null: bool,
    /// It has no screen.
    pub raw_ui_is_null: bool,
    /// A pipeline uses the host of its pool. Calls of its own host come with its output.
    pub use_pool_host: bool,
    /// What its screen is like, if it has one.
    pub screen: Option<Screen>,
}

/// What a screen is like (`_hostDefaultData`): what a server answers scripts that ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Colour of the text, a number of .NET's `ConsoleColor`.
    pub foreground: i32,
    /// Colour behind it.
    pub background: i32,
    /// Column and line of the cursor, from 0 on.
    pub cursor: (i32, i32),
    /// Column and line of the window's upper left corner in the buffer.
    pub window: (i32, i32),
    /// How much of a cell the cursor fills, in percent.
    pub cursor_size: i32,
    /// Columns and lines of the buffer.
    pub buffer_size: (i32, i32),
    /// Columns and lines of the window.
    pub window_size: (i32, i32),
    /// Most columns and lines of the window, by the buffer.
    pub max_window_size: (i32, i32),
    /// Most columns and lines of the window, by the machine's screen.
    pub max_physical_window_size: (i32, i32),
    /// Title of the window.
    pub title: String,
}

impl HostInfo {
    /// No host at all: what this client says.
    pub const NONE: Self = Self {
        is_null: true,
        ui_is_null: true,
        raw_ui_is_null: true,
        use_pool_host: true,
        screen: None,
    };

    pub(super) fn to_value(&self) -> Value {
        let info = Object::new();
        let info = match &self.screen {
            Some(screen) => info.with_note("_hostDefaultData", screen.to_object()),
            None => info,
        };
        info.with_note("_isHostNull", self.is_null)
            .with_note("_isHostUINull", self.ui_is_null)
            .with_note("_isHostRawUINull", self.raw_ui_is_null)
            .with_note("_useRunspaceHost", self.use_pool_host)
            .into()
    }

    /// What is not said is taken as absent.
    pub(super) fn from_value(value: Option<&Value>) -> Self {
        let flag = |name| value.and_then(|v| v.get(name)).and_then(Value::as_bool);
        let data = value.and_then(|v| v.get("_hostDefaultData")?.get("data"));
        Self {
            is_null: flag("_isHostNull").unwrap_or(true),
            ui_is_null: flag("_isHostUINull").unwrap_or(true),
            raw_ui_is_null: flag("_isHostRawUINull").unwrap_or(true),
            use_pool_host: flag("_useRunspaceHost").unwrap_or(false),
            screen: data.and_then(Screen::from_value),
        }
    }
}

impl Screen {
    fn to_object(&self) -> Object {
        let color = |number: i32| ("System.ConsoleColor", Value::Int32(number));
        let place = |(x, y): (i32, i32)| {
            let place = Object::new().with_note("x", x).with_note("y", y);
            (
                "System.Management.Automation.Host.Coordinates",
                place.into(),
            )
        };
        let size = |(width, height): (i32, i32)| {
            let size = Object::new()
                .with_note("width", width)
                .with_note("height", height);
            ("System.Management.Automation.Host.Size", size.into())
        };
        let data = [
            color(self.foreground),
            color(self.background),
            place(self.cursor),
            place(self.window),
            ("System.Int32", self.cursor_size.into()),
            size(self.buffer_size),
            size(self.window_size),
            size(self.max_window_size),
            size(self.max_physical_window_size),
            ("System.String", self.title.as_str().into()),
        ];
        let entries = (0_i32..).zip(data).map(|(key, (type_name, value))| {
            let value = Object::new()
                .with_note("T", type_name)
                .with_note("V", value);
            (Value::Int32(key), value.into())
        });
        Object::new().with_note("data", Object::hashtable(entries.collect()))
    }

    /// `None` if anything of it is missing.
    fn from_value(data: &Value) -> Option<Self> {
        let entries = data.as_object()?.entries()?;
        let value = |key: i64| {
            let entry = entries
                .iter()
                .find(|(found, _)| found.as_i64() == Some(key));
            entry?.1.get("V")
        };
        let number = |value: &Value| i32::try_from(value.as_i64()?).ok();
        let pair = |key, first, second| {
            let value = value(key)?;
            Some((number(value.get(first)?)?, number(value.get(second)?)?))
        };
        let place = |key| pair(key, "x", "y");
        let size = |key| pair(key, "width", "height");
        Some(Self {
            foreground: number(value(0)?)?,
            background: number(value(1)?)?,
            cursor: place(2)?,
            window: place(3)?,
            cursor_size: number(value(4)?)?,
            buffer_size: size(5)?,
            window_size: size(6)?,
            max_window_size: size(7)?,
            max_physical_window_size: size(8)?,
            title: value(9)?.text()?,
        })
    }
}
