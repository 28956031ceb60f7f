//! Pipewarden: parses arguments and calls one command.

fn main() {}
