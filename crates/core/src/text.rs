//! Text for people.

/// `1 host`, `2 hosts`.
pub fn plural(number: usize, noun: &str) -> String {
    let ending = if noun.ends_with('s') { "es" } else { "s" };
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}{ending}")
    }
}
