//! Makes the program's allocator visible to the module that it loads, so that the allocations of
//! the module are counted as well.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for function in
        ["malloc", "free", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"]
    {
        println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol={function}");
    }
}
