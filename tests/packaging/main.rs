//! Files of the repository, held to the program: what they speak of exists, and what exists they speak of.
//!
//! | module | what it holds |
//! |---|---|
//! | `chart` | the Helm chart, its rules and its dashboard |
//! | `docs` | the tables, examples, links and headings of the pages |
//! | `toolchain` | which Rust builds what |
//! | `schemas` | `schemas/`, equal to the types; `PIPEWARDEN_WRITE_SCHEMAS=1 cargo test --test packaging schemas::` writes them anew |
//! | `index` | `schemas/index/`, equal to the schema of alerts; written anew in the same way |
//! | `export` | exports to Sigma, EQL and SPL, equal to `golden/`; `PIPEWARDEN_WRITE_GOLDEN=1 cargo test --test packaging export::` writes them anew |

// Helpers of tests, which `clippy.toml` does not recognise as such.
#![allow(clippy::unwrap_used)]

mod chart;
mod docs;
mod export;
mod index;
mod schemas;
mod toolchain;
