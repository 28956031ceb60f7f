//! Compiles the one function of librdkafka that we replace.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "libdeflate")]
    compile_gunzip();
}

#[cfg(feature = "libdeflate")]
fn compile_gunzip() {
    const SOURCE: &str = "src/gunzip.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    let mut build = cc::Build::new();
    // Where libdeflate-sys has put its header.
    if let Some(headers) = std::env::var_os("DEP_LIBDEFLATE_INCLUDE") {
        build.include(headers);
    }
    build
        .file(SOURCE)
        .std("gnu11")
        .warnings_into_errors(false)
        .extra_warnings(true)
        // Always linked, so that librdkafka's own is never looked for.
        .link_lib_modifier("+whole-archive")
        .compile("pipewarden_gunzip");
}
