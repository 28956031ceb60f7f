//! The browser's side, within the program.

/// A file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! assets {
    ($($name:literal)*) => {
        &[$(Asset { name: $name, text: include_str!(concat!("assets/", $name)) }),*]
    };
}

/// Every file but the page itself.
pub(super) const ASSETS: &[Asset] = assets! {
    "actions.js" "address.js" "alert.css" "alert.js" "commands.js" "dictionary.js" "dom.js" "events.js" "evidence.js" "extras.js" "facts.js"
    "filter-box.js" "filter.js" "graph.js" "head.js" "health.js" "held.js" "items.js" "keys.js" "list.css" "list.js" "live.js" "main.js" "marks.js"
    "network.js" "next.js" "page.css" "report.js" "revisions.js" "route.js" "row.js" "scale.js" "seen.js" "server.js" "state.js"
    "storage.js" "text.js" "time.js" "timeline.css" "timeline.js" "tokens.css" "tools.js" "views.css" "who.js" "words.js"
};

/// The page.
pub(super) const INDEX: &str = include_str!("assets/index.html");

impl Asset {
    pub(super) fn content_type(&self) -> &'static str {
        if self.name.ends_with(".css") {
            "text/css; charset=utf-8"
        } else {
            "text/javascript; charset=utf-8"
        }
    }
}

/// The file with this name.
pub(super) fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_within_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/assets");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut packed: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        packed.insert("index.html".to_owned());
        assert_eq!(packed, files);
    }

    #[test]
    fn the_page_names_only_files_that_are_there_and_all_styles() {
        let named: BTreeSet<&str> = INDEX
            .split(['"'])
            .filter(|word| word.ends_with(".css") || word.ends_with(".js"))
            .collect();
        assert!(named.iter().all(|name| asset(name).is_some()), "{named:?}");
        let styles = ASSETS
            .iter()
            .map(|asset| asset.name)
            .filter(|name| name.ends_with(".css"));
        assert!(styles.into_iter().all(|name| named.contains(name)));
    }

    #[test]
    fn files_are_short() {
        for asset in ASSETS {
            assert!(asset.text.lines().count() <= 400, "{}", asset.name);
        }
    }
}
