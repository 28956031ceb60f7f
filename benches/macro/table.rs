//! The one table: each figure beside what it is compared with in the same run.

/// Rows of figures.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    pub(crate) fn row(&mut self, what: &str, figure: &str, beside: &str, ratio: &str) {
        println!("  {what}: {figure} | {beside} | {ratio}");
        self.rows.push([what, figure, beside, ratio].map(str::to_owned));
    }

    pub(crate) fn print(&self) {
        let head = ["what", "figure", "beside, same run", "ratio"].map(str::to_owned);
        let widths: Vec<usize> = (0..4)
            .map(|column| {
                let all = self.rows.iter().chain([&head]);
                all.map(|row| row[column].chars().count())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let line = |row: &[String; 4]| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:width$}"))
                .collect();
            println!("| {} |", cells.join(" | "));
        };
        println!();
        line(&head);
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width + 2)).collect();
        println!("|{}|", rules.join("|"));
        self.rows.iter().for_each(line);
    }
}

/// The middle of several runs.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
