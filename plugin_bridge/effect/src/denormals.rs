//! Numbers too small to matter and slow to compute with are flushed to zero in a callback.

/// While this value lives, the thread flushes denormals; then it is as before.
#[derive(Debug)]
pub struct FlushDenormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    before: u64,
}

impl FlushDenormals {
    /// Sets the thread's mode.
    #[must_use]
    pub fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            /// Results to zero, operands taken for zero.
            const FLAGS: u32 = 1 << 15 | 1 << 6;
            let before = control();
            set_control(before | FLAGS);
            Self { before: before.into() }
        }
        #[cfg(target_arch = "aarch64")]
        {
            const FLAG: u64 = 1 << 24;
            let before = control();
            set_control(before | FLAG);
            Self { before }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Self {}
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        set_control(self.before as u32);
        #[cfg(target_arch = "aarch64")]
        set_control(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
fn control() -> u32 {
    let mut value = 0_u32;
    // SAFETY: stores the register into the variable, nothing else.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags));
    }
    value
}

#[cfg(target_arch = "x86_64")]
fn set_control(value: u32) {
    // SAFETY: loads a value whose rounding and exception masks are those of the register before;
    // nothing between setting and restoring depends on denormals.
    unsafe {
        std::arch::asm!(
            "ldmxcsr [{}]",
            in(reg) &raw const value,
            options(nostack, preserves_flags, readonly)
        );
    }
}

#[cfg(target_arch = "aarch64")]
fn control() -> u64 {
    let value;
    // SAFETY: reads the register.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack)) };
    value
}

#[cfg(target_arch = "aarch64")]
fn set_control(value: u64) {
    // SAFETY: as on the other architecture.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) value, options(nomem, nostack)) };
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn denormals_are_flushed_while_the_guard_lives() {
        let half = || black_box(f32::MIN_POSITIVE) / black_box(2.0);
        assert!(half() > 0.0);
        let guard = FlushDenormals::here();
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        assert!(half() <= 0.0);
        drop(guard);
        assert!(half() > 0.0);
    }
}
