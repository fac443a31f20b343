//! Puts what the wheel carries beside the code into `OUT_DIR`, from where maturin takes it into the
//! folder `uncodec` (see `include` in pyproject.toml): the released models as `weights/<model>/`,
//! and the plugin's bundle, if `UNCODEC_PLUGIN_BUNDLE` says where it was built, as
//! `plugin/Uncodec.vst3/`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let out_dir = required_path("OUT_DIR")?;
    // The same relative path holds in the repository and in an unpacked sdist.
    let models = required_path("CARGO_MANIFEST_DIR")?.join("../../models");
    println!("cargo::rerun-if-changed=build.rs");
    // A folder is watched with all that is in it; one that is missing makes this script run each
    // time.
    println!("cargo::rerun-if-changed={}", models.display());
    println!("cargo::rerun-if-env-changed=UNCODEC_PLUGIN_BUNDLE");
    // maturin packs everything it finds in OUT_DIR: a model that was removed must not linger there.
    clear(&out_dir)?;
    if let Some(bundle) = env::var_os("UNCODEC_PLUGIN_BUNDLE").filter(|path| !path.is_empty()) {
        let bundle = PathBuf::from(bundle);
        println!("cargo::rerun-if-changed={}", bundle.display());
        copy_folder(&bundle, &out_dir.join("plugin/Uncodec.vst3"))?;
    }
    if !models.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&models)? {
        let entry = entry?;
        let model = entry.path();
        if model.is_dir() && !is_hidden(&model) {
            copy_folder(&model, &out_dir.join("weights").join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn required_path(name: &str) -> io::Result<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{name} is not set: run through cargo")))
}

fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if is_hidden(&source) {
            continue;
        }
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
