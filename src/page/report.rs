//! The page as one file that needs no server and asks for nothing: for a replay, to be kept and passed on.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::value::RawValue;

use super::answers::{About, Alerts, Detail};
use super::assets::{ASSETS, INDEX};
use super::bundle::bundle;
use super::held::Held;
use super::intake::{Incoming, Line, read_line};

/// Alerts with all their revisions and explanations, on their way into a file.
#[derive(Debug)]
pub struct Report {
    about: About,
    held: Held,
}

#[derive(Serialize)]
struct Data<'a> {
    about: &'a About,
    alerts: Alerts,
    details: BTreeMap<String, Whole>,
}

/// A detail with every document, since there is no server to ask for one.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    detail: Detail,
    documents: Vec<Box<RawValue>>,
}

impl Report {
    /// Holds nothing.
    pub fn new(about: About) -> Self {
        Self {
            held: Held::new(about.bounds),
            about,
        }
    }

    /// Takes in a document of an alert.
    pub fn alert(&mut self, document: Line<'_>) {
        self.take(read_line(document));
    }

    /// Takes in the explanation of an alert that it has.
    pub fn explanation(&mut self, explanation: &impl Serialize) {
        let line = serde_json::json!({ "explanation": explanation }).to_string();
        self.take(read_line(line.as_bytes()));
    }

    fn take(&mut self, incoming: Incoming) {
        self.held.take(incoming, &"the replay");
    }

    /// The file.
    ///
    /// # Errors
    /// Modules that cannot be bundled, which a test would have found.
    pub fn to_html(&self) -> anyhow::Result<String> {
        let rows = self.held.rows();
        let whole = |id: &str| {
            let detail = self.held.detail(id)?;
            let documents = self.held.documents(id);
            Some((id.to_owned(), Whole { detail, documents }))
        };
        let details = rows.iter().filter_map(|listed| whole(&listed.row.id)).collect();
        let alerts = Alerts {
            epoch: "report".to_owned(),
            last: self.held.last(),
            floor: self.held.floor(),
            rows,
            health: self.held.health(),
        };
        let data = Data {
            about: &self.about,
            alerts,
            details,
        };
        page(&serde_json::to_string(&data)?)
    }
}

/// The page with styles, scripts and data in it.
fn page(data: &str) -> anyhow::Result<String> {
    let script = bundle("main.js", ASSETS).map_err(anyhow::Error::msg)?;
    let styles: String = ASSETS
        .iter()
        .filter(|asset| INDEX.contains(&format!("href=\"{}\"", asset.name)))
        .map(|asset| asset.text)
        .collect();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&script),
        hash(&styles)
    );
    let mut page = String::with_capacity(data.len() + script.len() + styles.len() + INDEX.len() + 1024);
    for line in INDEX.lines() {
        if line.starts_with("<link rel=\"stylesheet\"") {
            continue;
        }
        if line.starts_with("<script") {
            page.push_str(&format!("<style>{styles}</style>\n"));
        } else if line == "</body>" {
            page.push_str(&format!(
                "<script type=\"application/json\" id=\"report\">{}</script>\n",
                inert(data)
            ));
            page.push_str(&format!("<script type=\"module\">{script}</script>\n"));
            page.push_str("</body>\n");
        } else {
            page.push_str(line);
            page.push('\n');
            if line.starts_with("<meta charset") {
                page.push_str(&format!(
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n"
                ));
            }
        }
    }
    Ok(page)
}

/// JSON in which nothing can end the element that holds it or begin another: `<` is only ever in a string.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn hostile_data_cannot_leave_its_element_and_stays_what_it_is() {
        let hostile =
            serde_json::json!({"a": "</script><script>alert(1)</script><!--<script>", "<b>": "\u{2028}"})
                .to_string();
        let page = page(&hostile).unwrap();
        let (_, after) = page.split_once("id=\"report\">").unwrap();
        let (data, rest) = after.split_once("</script>").unwrap();
        assert!(!data.contains('<'));
        assert_eq!(
            serde_json::from_str::<Value>(data).unwrap(),
            serde_json::from_str::<Value>(&hostile).unwrap()
        );
        assert!(rest.starts_with("\n<script type=\"module\">"));
    }

    #[test]
    fn no_text_of_the_page_ends_its_own_element() {
        assert!(!bundle("main.js", ASSETS).unwrap().contains("</script"));
        assert!(
            ASSETS
                .iter()
                .all(|asset| !asset.text.contains("</style") && !asset.text.contains("<!--"))
        );
    }

    #[test]
    fn the_file_names_nothing_to_fetch() {
        let page = page("{}").unwrap();
        assert!(
            !page.contains(" src=") && page.matches(" href=\"").count() == 1,
            "{page}"
        );
        assert!(page.contains("<link rel=\"icon\" href=\"data:,\">") && !page.contains("@import"));
        assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    }
}
