//! Writes the table of released models: what the plugin has to know about each before any core
//! runs. It comes from the header of the weights, so that it cannot differ from them.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, io};

use serde_json::Value;

/// Longest header of a safetensors file, as the format has it.
const MAX_HEADER: u64 = 100_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let out_dir = required_path("OUT_DIR")?;
    let models = required_path("CARGO_MANIFEST_DIR")?.join("../../models");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", models.display());
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&models)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    folders.sort();
    let mut table = String::from("&[\n");
    let mut count = 0;
    for folder in folders {
        let weights = folder.join("weights.safetensors");
        if !weights.is_file() {
            continue;
        }
        let found = model(&weights).map_err(|error| format!("{}: {error}", weights.display()))?;
        if let Some(entry) = found {
            writeln!(table, "{entry},")?;
            count += 1;
        }
    }
    if count == 0 {
        return Err(format!("{}: holds no model that can run live", models.display()).into());
    }
    table.push(']');
    fs::write(out_dir.join("models.rs"), table)?;
    Ok(())
}

fn required_path(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set: run through cargo"))
}

/// The model as a Rust expression; nothing if it is of a kind that does not run live.
fn model(weights: &Path) -> Result<Option<String>, Box<dyn Error>> {
    let metadata = metadata(weights)?;
    let field = |name: &str| metadata[name].as_str().ok_or(format!("metadata: {name} is missing"));
    if field("kind")? != "generator" {
        return Ok(None);
    }
    let config: Value = serde_json::from_str(field("config")?)?;
    let size = |name: &str| config[name].as_u64().ok_or(format!("config: {name} is no number"));
    Ok(Some(format!(
        "Model {{ name: {:?}, version: {:?}, network: Network {{ window: {}, hop: {} }} }}",
        field("name")?,
        field("version")?,
        size("window")?,
        size("hop")?
    )))
}

/// The `__metadata__` of a safetensors file: its length in 8 bytes, then JSON.
fn metadata(path: &Path) -> Result<Value, Box<dyn Error>> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(format!("header of {length} bytes: must be at most {MAX_HEADER}").into());
    }
    let mut header = vec![0; usize::try_from(length)?];
    file.read_exact(&mut header)?;
    Ok(serde_json::from_slice::<Value>(&header)?["__metadata__"].take())
}
