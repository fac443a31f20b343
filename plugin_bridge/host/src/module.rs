//! A plugin's module: the shared library, whatever its format.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libloading::Library;
use thiserror::Error;

use crate::plugin::Plugin;
use crate::{clap, vst3};

/// A format of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// VST 3.
    Vst3,
    /// CLAP.
    Clap,
}

impl Format {
    /// Ending of a bundle's name.
    fn ending(self) -> &'static str {
        match self {
            Self::Vst3 => "vst3",
            Self::Clap => "clap",
        }
    }

    /// The library of a bundle: inside it, or, in CLAP, the bundle itself.
    fn library(self, bundle: PathBuf) -> PathBuf {
        let architecture = format!("{}-linux", std::env::consts::ARCH);
        match self {
            Self::Vst3 => bundle.join("Contents").join(architecture).join("Uncodec.so"),
            Self::Clap => bundle,
        }
    }

    /// Where cargo puts the module: beside the tests, or one folder up from them and the examples.
    fn beside_program(self) -> Option<PathBuf> {
        let program = std::env::current_exe().ok()?;
        let folder = program.parent()?;
        let name = format!("libuncodec_{}.so", self.ending());
        let places = [folder.to_owned(), folder.join("deps"), folder.parent()?.to_owned()];
        places.into_iter().map(|place| place.join(&name)).find(|path| path.is_file())
    }
}

/// Why a plugin could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The library, or an entry of it.
    #[error(transparent)]
    Library(#[from] libloading::Error),
    /// The plugin said no.
    #[error("{step}: the plugin answered {result}")]
    Plugin {
        /// What was asked.
        step: &'static str,
        /// The answer.
        result: i32,
    },
    /// The plugin said no, in CLAP.
    #[error("{step}: {reason}")]
    Clap {
        /// What was asked.
        step: &'static str,
        /// The host's library on the answer.
        reason: String,
    },
    /// The plugin lacks something.
    #[error("the plugin has no {0}")]
    Missing(&'static str),
}

impl LoadError {
    pub(crate) fn check(step: &'static str, result: i32) -> Result<(), Self> {
        if result == 0 { Ok(()) } else { Err(Self::Plugin { step, result }) }
    }
}

/// The module under test in a format: `$UNCODEC_PLUGIN`, a bundle or a library, if it is of this
/// format, or else the one that was built together with this program.
#[must_use]
pub fn module_path(format: Format) -> PathBuf {
    let ending = Some(OsStr::new(format.ending()));
    match named_module().filter(|path| path.extension() == ending) {
        Some(bundle) => format.library(bundle),
        None => format.beside_program().unwrap_or_default(),
    }
}

/// The module that `$UNCODEC_PLUGIN` names, a bundle or a library, or else the VST 3 that was built
/// together with this program.
#[must_use]
pub fn chosen_module() -> PathBuf {
    let Some(path) = named_module() else { return module_path(Format::Vst3) };
    let of_bundle = |format: Format| path.extension() == Some(OsStr::new(format.ending()));
    match [Format::Vst3, Format::Clap].into_iter().find(|&format| of_bundle(format)) {
        Some(format) => format.library(path),
        None => path,
    }
}

fn named_module() -> Option<PathBuf> {
    std::env::var_os("UNCODEC_PLUGIN").map(PathBuf::from)
}

/// A loaded module. It is unloaded with the last plugin that came from it.
#[derive(Debug, Clone)]
pub struct Module(Loaded);

#[derive(Debug, Clone)]
enum Loaded {
    Vst3(vst3::Module),
    Clap(clap::Module),
}

impl Module {
    /// Loads a module, of the format whose entry it has.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the library is the one under test; running its code is what this is for.
        let library = unsafe { Library::new(path) }?;
        // SAFETY: only whether it is there is asked.
        let is_clap = unsafe { library.get::<*const ()>(c"clap_entry".to_bytes()) }.is_ok();
        Ok(Self(if is_clap {
            Loaded::Clap(clap::Module::load(path)?)
        } else {
            Loaded::Vst3(vst3::Module::load(library)?)
        }))
    }

    /// What the module says of the plugin: name, category or identifier, kinds, version.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn class(&self) -> Result<[String; 4], LoadError> {
        match &self.0 {
            Loaded::Vst3(module) => module.class(),
            Loaded::Clap(module) => module.class(),
        }
    }

    /// As [`instantiate`](Self::instantiate), with the core at this path.
    ///
    /// The path reaches the plugin through the environment, as it does everywhere; calls of this
    /// are made one after the other.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn instantiate_at(&self, core: &Path) -> Result<Plugin, LoadError> {
        static ENVIRONMENT: Mutex<()> = Mutex::new(());
        let _alone = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: nothing else in the programs of this crate writes to the environment, and what
        // reads it does so through the same lock of the standard library, or below this one.
        unsafe { std::env::set_var("UNCODEC_CORE_SOCKET", core) };
        self.instantiate()
    }

    /// A new plugin, initialised.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn instantiate(&self) -> Result<Plugin, LoadError> {
        match &self.0 {
            Loaded::Vst3(module) => module.instantiate(),
            Loaded::Clap(module) => module.instantiate(),
        }
    }
}
