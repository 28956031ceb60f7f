//! One access of DETECT-8 in every shape in which Windows events are published.

use serde_json::Value;

use super::winlogbeat;

/// The three events in one shape.
pub struct Shape {
    pub name: &'static str,
    pub connection: Value,
    pub pipe: Value,
    pub share: Value,
}

impl Shape {
    pub fn events(&self) -> [&Value; 3] {
        [&self.connection, &self.pipe, &self.share]
    }
}

/// All shapes.
pub fn all() -> Vec<Shape> {
    let shapes = pipewarden_tools::winlogbeat::Shape::ALL.iter().map(|&shape| {
        let [connection, pipe, share] = winlogbeat::detect_8_in(shape);
        Shape {
            name: shape.as_str(),
            connection,
            pipe,
            share,
        }
    });
    shapes.collect()
}
