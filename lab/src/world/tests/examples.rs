//! The example overlays: each parses, and makes a state of the example site.

use std::path::Path;

use super::*;

/// The site file that the overlay of that name is for: the one that names it, else litware's.
fn site_of(overlay: &Path) -> String {
    let examples = overlay.parent().and_then(Path::parent).expect("a folder");
    let file_name = overlay.file_name().expect("a name");
    let own = examples.join(file_name);
    let path = if own.exists() {
        own
    } else {
        examples.join("litware.toml")
    };
    let text = std::fs::read_to_string(&path).expect("a readable site file");
    let site = owaim_inventory::parse("site.toml", &text).expect("the example is valid");
    let named = site.lab_overlay.map(|with| examples.join(with));
    assert!(named.is_none_or(|named| named == overlay), "{path:?}");
    text
}

#[test]
fn every_example_makes_a_state() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/lab");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let name = path.to_str().expect("a name of letters");
        let parsed = Overlay::parse(name, &text);
        assert!(parsed.is_ok(), "{parsed:?}");
        let lab = Lab::of(&site_of(&path), &text, None);
        let state = lock(&lab.world.inner.state);
        assert!(state.lync.is_some() && state.hosts.len() >= 3, "{name}");
        count += 1;
    }
    assert!(count >= 10, "only {count}");
}

#[test]
fn what_the_site_does_not_have_is_named() {
    let first = |site: &str, overlay: &str| {
        let site = owaim_inventory::parse("site.toml", site).expect("a site");
        let overlay = Overlay::parse("lab.toml", overlay).expect("an overlay");
        let clock = Arc::new(|| START.parse().expect("a time"));
        World::by_clock(&site, &overlay, None, Arc::new(Tape::default()), clock)
            .map(|_| ())
            .expect_err("it names what is not there")
            .to_string()
    };
    let with = format!("{SITE}{FRONT_ENDS}");
    for (site, overlay, expected) in [
        (SITE, "[[lync.trusted_pools]]", "lync-front-end"),
        (
            SITE,
            "[[actions]]\naction = \"add-trusted-pool\"",
            "lync-front-end",
        ),
        (
            &with,
            "[[lync.trusted_pools]]\nsite_id = \"EU\"",
            "no site \"EU\"",
        ),
        (
            &with,
            "[[lync.pools]]\nfqdn = \"a.b\"\nsite_id = \"EU\"",
            "no site \"EU\"",
        ),
        (
            &with,
            "[[lync.pools]]\nfqdn = \"fe.fabrikam.test\"",
            "two pools fe.fabrikam.test",
        ),
        (&with, "[lync]\ndiscovered = [\"a.b\"]", "\"a.b\""),
        (
            &with,
            "[[dial_plans]]\nname = \"x\"\nservers = [\"a.b\"]",
            "\"a.b\"",
        ),
        (
            &with,
            "[[actions]]\naction = \"cumulative-update\"\nhost = \"fe1.fabrikam.test\"",
            "Exchange server",
        ),
        (
            &with,
            "[[lync.trusted_pools]]\n[[lync.trusted_pools]]",
            "already exists",
        ),
    ] {
        let message = first(site, overlay);
        assert!(message.contains(expected), "{overlay}: {message}");
    }
}
