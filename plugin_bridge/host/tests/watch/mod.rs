//! What a piece of code does besides computing: calls of the allocator and of the system, by this
//! thread, in this program and in every module it has loaded.
//!
//! The allocator is the C library's, with a counter in front; a loaded module finds it by name.
//! Calls of the system are trapped by the kernel itself ("syscall user dispatch", Linux 5.11 on
//! x86-64): a byte of this thread's memory switches it, which takes no call.

#[cfg(target_arch = "x86_64")]
pub use calls::watch;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Calls of the allocator, `free` included.
    pub allocations: usize,
    /// The first system call, by its number.
    pub system_call: Option<i64>,
}

impl Watched {
    /// Nothing happened.
    pub const NOTHING: Self = Self { allocations: 0, system_call: None };
}

mod allocator {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};

    thread_local! {
        pub static CALLS: Cell<usize> = const { Cell::new(0) };
    }

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_free(pointer: *mut c_void);
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(pointer: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    }

    fn count() {
        // Fails only while a thread is being torn down, when nobody counts.
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        count();
        // SAFETY: the caller keeps the contract of `malloc`.
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(pointer: *mut c_void) {
        count();
        // SAFETY: the caller keeps the contract of `free`.
        unsafe { __libc_free(pointer) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
        count();
        // SAFETY: the caller keeps the contract of `calloc`.
        unsafe { __libc_calloc(number, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { __libc_realloc(pointer, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        count();
        // SAFETY: the caller keeps the contract of `aligned_alloc`.
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        count();
        // SAFETY: the caller keeps the contract of `memalign`.
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(
        into: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int {
        count();
        // SAFETY: the caller keeps the contract of `posix_memalign`.
        unsafe {
            let pointer = __libc_memalign(alignment, size);
            if pointer.is_null() {
                return libc::ENOMEM;
            }
            *into = pointer;
        }
        0
    }
}

#[cfg(target_arch = "x86_64")]
mod calls {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};
    use std::sync::Once;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Watched;
    use super::allocator::CALLS;

    const PR_SET_SYSCALL_USER_DISPATCH: c_int = 59;
    const ON: usize = 1;
    const ALLOW: u8 = 0;
    const BLOCK: u8 = 1;

    thread_local! {
        static SELECTOR: AtomicU8 = const { AtomicU8::new(ALLOW) };
        static ARMED: Cell<bool> = const { Cell::new(false) };
        static FOUND: Cell<Option<i64>> = const { Cell::new(None) };
    }

    /// Runs the code and says what it did.
    ///
    /// # Panics
    /// If this kernel cannot trap calls, for then nothing could be shown.
    pub fn watch<T>(work: impl FnOnce() -> T) -> (T, Watched) {
        arm();
        FOUND.set(None);
        let before = CALLS.get();
        SELECTOR.with(|selector| selector.store(BLOCK, Ordering::SeqCst));
        let result = work();
        SELECTOR.with(|selector| selector.store(ALLOW, Ordering::SeqCst));
        let allocations = CALLS.get() - before;
        (result, Watched { allocations, system_call: FOUND.get() })
    }

    fn arm() {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // SAFETY: a structure of plain numbers, filled as the system wants it; the handler
            // touches this thread's own cells only.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = trapped as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO;
                assert_eq!(
                    libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut()),
                    0
                );
            }
        });
        if ARMED.get() {
            return;
        }
        let result = SELECTOR.with(|selector| {
            // SAFETY: the selector lives as long as the thread, and so does the dispatch.
            unsafe {
                libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, 0_usize, 0_usize, selector.as_ptr())
            }
        });
        assert_eq!(
            result,
            0,
            "this kernel cannot trap system calls: {}",
            std::io::Error::last_os_error()
        );
        ARMED.set(true);
    }

    /// Notes the call, then makes it, so that the code goes on as if nothing had been. From the
    /// first one on the thread is not watched any more.
    extern "C" fn trapped(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        SELECTOR.with(|selector| selector.store(ALLOW, Ordering::SeqCst));
        let _ = info;
        // SAFETY: the system gives a handler with SA_SIGINFO this context. The call is the one
        // that the code was about to make, with its own arguments.
        unsafe {
            let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            let register = |index: c_int| registers[index as usize];
            let number = register(libc::REG_RAX);
            FOUND.set(Some(number));
            let mut result = number;
            std::arch::asm!(
                "syscall",
                inlateout("rax") result,
                in("rdi") register(libc::REG_RDI),
                in("rsi") register(libc::REG_RSI),
                in("rdx") register(libc::REG_RDX),
                in("r10") register(libc::REG_R10),
                in("r8") register(libc::REG_R8),
                in("r9") register(libc::REG_R9),
                lateout("rcx") _,
                lateout("r11") _,
            );
            registers[libc::REG_RAX as usize] = result;
        }
    }
}
