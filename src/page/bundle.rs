//! The modules of the browser's side as one, for a report, which is a single file.
//!
//! They are written in a part of the language that needs no parser: an import is one line at the top that names what it takes,
//! an export stands before a declaration at the beginning of a line, and imports make no circle.

use super::assets::Asset;

/// What a module is as a part of the bundle.
struct Part<'a> {
    /// `const { a, b } = $text;`, in place of imports.
    imports: Vec<String>,
    /// What is left of the text.
    body: String,
    /// Names that others may import.
    exports: Vec<&'a str>,
    needs: Vec<&'a str>,
}

/// One script that is the module `main` and all that it imports.
///
/// # Errors
/// A module that is not written so.
pub(super) fn bundle(main: &str, assets: &[Asset]) -> Result<String, String> {
    let mut bundled = String::from("\"use strict\";\n");
    let mut order = Vec::new();
    visit(main, assets, &mut Vec::new(), &mut order, &mut bundled)?;
    Ok(bundled)
}

/// Appends a module after those that it needs.
fn visit<'a>(
    name: &str,
    assets: &'a [Asset],
    above: &mut Vec<String>,
    done: &mut Vec<&'a str>,
    bundled: &mut String,
) -> Result<(), String> {
    if done.contains(&name) {
        return Ok(());
    }
    if above.iter().any(|other| other == name) {
        return Err(format!(
            "modules import each other in a circle: {} {name}",
            above.join(" ")
        ));
    }
    let asset = assets
        .iter()
        .find(|asset| asset.name == name)
        .ok_or(format!("there is no module {name}"))?;
    let part = part(asset)?;
    above.push(name.to_owned());
    for needed in &part.needs {
        visit(needed, assets, above, done, bundled)?;
    }
    above.pop();
    done.push(asset.name);
    let (variable, imports, exports) = (
        variable(asset.name),
        part.imports.join("\n"),
        part.exports.join(", "),
    );
    bundled.push_str(&format!(
        "const {variable} = (() => {{\n{imports}\n{}\nreturn {{ {exports} }};\n}})();\n",
        part.body
    ));
    Ok(())
}

fn part(asset: &Asset) -> Result<Part<'_>, String> {
    let mut part = Part {
        imports: Vec::new(),
        body: String::new(),
        exports: Vec::new(),
        needs: Vec::new(),
    };
    for (number, line) in (1..).zip(asset.text.lines()) {
        let odd = || {
            format!(
                "{}:{number}: neither an import nor an export of the kinds that a bundle takes",
                asset.name
            )
        };
        if let Some(import) = line.strip_prefix("import ") {
            let (names, from) = imported(import).ok_or_else(odd)?;
            part.needs.push(from);
            if let Some(names) = names {
                let names = names.replace(" as ", ": ");
                part.imports
                    .push(format!("const {{ {names} }} = {};", variable(from)));
            }
        } else if let Some(declared) = line.strip_prefix("export ") {
            part.exports.push(exported(declared).ok_or_else(odd)?);
            part.body.push_str(declared);
            part.body.push('\n');
        } else if line.trim_start().starts_with("import(") {
            return Err(odd());
        } else {
            part.body.push_str(line);
            part.body.push('\n');
        }
    }
    Ok(part)
}

/// Names and module of `{ a, b as c } from "./text.js";`, or the module of `"./text.js";`.
fn imported(import: &str) -> Option<(Option<&str>, &str)> {
    let module = |text| -> Option<&str> {
        Some(text).and_then(|text: &str| text.strip_prefix("\"./")?.strip_suffix("\";"))
    };
    match import.strip_prefix("{ ") {
        None => Some((None, module(import)?)),
        Some(rest) => {
            let (names, from) = rest.split_once(" } from ")?;
            Some((Some(names), module(from)?))
        }
    }
}

/// What `function name(`, `async function* name(`, `class Name`, `const NAME =` declares.
fn exported(declared: &str) -> Option<&str> {
    let kinds = [
        "async function* ",
        "async function ",
        "function ",
        "class ",
        "const ",
    ];
    let rest = kinds.iter().find_map(|kind| declared.strip_prefix(kind))?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    (end > 0).then(|| &rest[..end])
}

fn variable(module: &str) -> String {
    format!("${}", module.trim_end_matches(".js").replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::assets::ASSETS;

    const fn asset(name: &'static str, text: &'static str) -> Asset {
        Asset { name, text }
    }

    #[test]
    fn a_module_stands_after_what_it_imports_and_once() {
        let assets = [
            asset(
                "main.js",
                "import \"./b-c.js\";\nimport { one, two as deux } from \"./a.js\";\none(deux);",
            ),
            asset("b-c.js", "import { one } from \"./a.js\";\none();"),
            asset("a.js", "export function one() {}\nexport const two = 2;"),
        ];
        assert_eq!(
            bundle("main.js", &assets).unwrap(),
            "\"use strict\";\n\
             const $a = (() => {\n\nfunction one() {}\nconst two = 2;\n\nreturn { one, two };\n})();\n\
             const $b_c = (() => {\nconst { one } = $a;\none();\n\nreturn {  };\n})();\n\
             const $main = (() => {\nconst { one, two: deux } = $a;\none(deux);\n\nreturn {  };\n})();\n"
        );
    }

    #[test]
    fn what_it_cannot_take_it_names() {
        for (text, said) in [
            ("import a from \"./a.js\";", "main.js:1"),
            ("\nexport default 1;", "main.js:2"),
            ("export { a };", "main.js:1"),
            ("import \"./main.js\";", "circle"),
            ("import \"./nowhere.js\";", "nowhere.js"),
            ("  import(\"./a.js\");", "main.js:1"),
        ] {
            let error = bundle("main.js", &[asset("main.js", text)]).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn every_module_of_the_page_is_in_the_bundle_once() {
        let bundled = bundle("main.js", ASSETS).unwrap();
        for module in ASSETS.iter().filter(|asset| asset.name.ends_with(".js")) {
            assert_eq!(
                bundled
                    .matches(&format!("const {} = (", variable(module.name)))
                    .count(),
                1,
                "{}",
                module.name
            );
        }
        assert!(!bundled.contains("\nimport ") && !bundled.contains("\nexport "));
    }
}
