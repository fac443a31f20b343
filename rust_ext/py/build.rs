//! Puts what the wheel carries beside the code into `OUT_DIR`, from where maturin takes it into the
//! folder `uncodec` (see `include` in pyproject.toml): the released models as `weights/<model>/`,
//! and the plugin as `plugin/Uncodec.vst3/` and `plugin/Uncodec.clap`, if `make plugin` has built it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let out_dir = required_path("OUT_DIR")?;
    // The same relative path holds in the repository and in an unpacked sdist.
    let root = required_path("CARGO_MANIFEST_DIR")?.join("../..");
    let models = root.join("models");
    println!("cargo::rerun-if-changed=build.rs");
    // A folder is watched with all that is in it; one that is missing makes this script run each
    // time.
    println!("cargo::rerun-if-changed={}", models.display());
    // maturin packs everything it finds in OUT_DIR: a model that was removed must not linger there.
    clear(&out_dir)?;
    if let Some(bundle) = bundle(&root, "Uncodec.vst3")? {
        copy_folder(&bundle, &out_dir.join("plugin/Uncodec.vst3"))?;
    }
    if let Some(bundle) = bundle(&root, "Uncodec.clap")? {
        fs::create_dir_all(out_dir.join("plugin"))?;
        fs::copy(bundle, out_dir.join("plugin/Uncodec.clap"))?;
    }
    if !models.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&models)? {
        let entry = entry?;
        let model = entry.path();
        // Candidates are not released and stay out.
        if model.is_dir() && !is_hidden(&model) && entry.file_name() != "candidates" {
            copy_folder(&model, &out_dir.join("weights").join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The bundle that the wheel is to carry, if there is one.
fn bundle(root: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let bundle = root.join("target").join(name);
    println!("cargo::rerun-if-changed={}", bundle.display());
    let Some(built) = newest(&bundle)? else { return Ok(None) };
    // Of another release the plugin would not get on with the core that comes with it.
    let mut changed = None;
    for sources in ["plugin_bridge", "rust_ext/dsp", "models"] {
        changed = changed.max(newest(&root.join(sources))?);
    }
    if changed.is_some_and(|changed| changed > built) {
        println!(
            "cargo::warning=target/{name} is older than its sources and is left out; \
             `make plugin` builds it anew"
        );
        return Ok(None);
    }
    Ok(Some(bundle))
}

/// When a file, or a file in a folder, was last changed; nothing if there is no file.
fn newest(folder: &Path) -> io::Result<Option<SystemTime>> {
    if folder.is_file() {
        return Ok(Some(fs::metadata(folder)?.modified()?));
    }
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut last = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let changed =
            if path.is_dir() { newest(&path)? } else { Some(fs::metadata(&path)?.modified()?) };
        last = last.max(changed);
    }
    Ok(last)
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
