//! The protocol of `rtrb` 0.4, transcribed to loom's atomics, for the model check of the ring.
//!
//! As in `rtrb`: positions run through `0 .. 2 * capacity`; each end owns one position and
//! publishes it with a release store, reads the other's with an acquire load, and keeps a cached
//! copy that it refreshes only when the cached one does not suffice. Slots are guarded by loom
//! cells, which are touched when a chunk is handed out and when it is committed: an access that the
//! positions do not order is an error.

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct RingBuffer {
    head: AtomicUsize,
    tail: AtomicUsize,
    publish: Ordering,
    guards: Vec<loom::cell::UnsafeCell<()>>,
    slots: Vec<UnsafeCell<f32>>,
}

// SAFETY: `slots` is reached through chunks only, and the guards let loom reject any schedule in
// which two chunks cover the same slot without an order between them.
unsafe impl Sync for RingBuffer {}

impl RingBuffer {
    #[allow(clippy::new_ret_no_self, reason = "as in rtrb")]
    pub fn new(capacity: usize) -> (Producer<f32>, Consumer<f32>) {
        Self::with_publish_order(capacity, Ordering::Release)
    }

    pub fn with_publish_order(
        capacity: usize,
        publish: Ordering,
    ) -> (Producer<f32>, Consumer<f32>) {
        let buffer = Arc::new(Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            publish,
            guards: (0..capacity).map(|_| loom::cell::UnsafeCell::new(())).collect(),
            slots: (0..capacity).map(|_| UnsafeCell::new(f32::NAN)).collect(),
        });
        let end = || End { buffer: Arc::clone(&buffer), head: Cell::new(0), tail: Cell::new(0) };
        (Producer(end(), PhantomData), Consumer(end(), PhantomData))
    }

    fn capacity(&self) -> usize {
        self.guards.len()
    }

    fn distance(&self, head: usize, tail: usize) -> usize {
        if head <= tail { tail - head } else { 2 * self.capacity() - head + tail }
    }

    fn increment(&self, position: usize, n: usize) -> usize {
        (position + n) % (2 * self.capacity())
    }

    fn place(&self, position: usize, index: usize) -> usize {
        (position + index) % self.capacity()
    }

    /// The slots of `len` places from `position` on, as the part up to the end and the part after
    /// it.
    fn parts(&self, position: usize, len: usize) -> [(*mut f32, usize); 2] {
        let start = self.place(position, 0);
        let first = len.min(self.capacity() - start);
        // Cells of f32 have the layout of f32, and the two ranges lie inside the vector.
        let base = UnsafeCell::raw_get(self.slots.as_ptr());
        [(base.wrapping_add(start), first), (base, len - first)]
    }
}

/// What both ends have: the ring and their copies of the two positions.
#[derive(Debug)]
struct End {
    buffer: Arc<RingBuffer>,
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl End {
    fn used(&self) -> usize {
        self.buffer.distance(self.head.get(), self.tail.get())
    }

    fn free(&self) -> usize {
        self.buffer.capacity() - self.used()
    }

    fn refresh_head(&self) {
        self.head.set(self.buffer.head.load(Ordering::Acquire));
    }

    fn refresh_tail(&self) {
        self.tail.set(self.buffer.tail.load(Ordering::Acquire));
    }
}

#[derive(Debug)]
pub struct Producer<T>(End, PhantomData<T>);

impl Producer<f32> {
    pub fn slots(&self) -> usize {
        self.0.refresh_head();
        self.0.free()
    }

    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0.buffer) == 1
    }

    pub fn write_chunk(&mut self, n: usize) -> Result<WriteChunk<'_, f32>, usize> {
        if self.0.free() < n {
            self.0.refresh_head();
            if self.0.free() < n {
                return Err(self.0.free());
            }
        }
        let mut chunk = WriteChunk { producer: self, len: n };
        chunk.touch();
        let (first, second) = chunk.as_mut_slices();
        first.fill(0.0);
        second.fill(0.0);
        Ok(chunk)
    }
}

#[derive(Debug)]
pub struct WriteChunk<'a, T> {
    producer: &'a mut Producer<T>,
    len: usize,
}

impl WriteChunk<'_, f32> {
    fn touch(&self) {
        let End { buffer, tail, .. } = &self.producer.0;
        for index in 0..self.len {
            buffer.guards[buffer.place(tail.get(), index)].with_mut(|_| ());
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn as_mut_slices(&mut self) -> (&mut [f32], &mut [f32]) {
        let End { buffer, tail, .. } = &self.producer.0;
        let [(first, n), (second, m)] = buffer.parts(tail.get(), self.len);
        // SAFETY: both parts lie inside the ring and do not overlap; `touch` proved to loom that
        // nobody else uses these slots, and they stay ours until `commit`.
        unsafe {
            (std::slice::from_raw_parts_mut(first, n), std::slice::from_raw_parts_mut(second, m))
        }
    }

    pub fn commit(self, n: usize) {
        self.touch();
        let End { buffer, tail, .. } = &self.producer.0;
        let position = buffer.increment(tail.get(), n);
        buffer.tail.store(position, buffer.publish);
        tail.set(position);
    }
}

#[derive(Debug)]
pub struct Consumer<T>(End, PhantomData<T>);

impl Consumer<f32> {
    pub fn slots(&self) -> usize {
        self.0.refresh_tail();
        self.0.used()
    }

    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0.buffer) == 1
    }

    pub fn read_chunk(&mut self, n: usize) -> Result<ReadChunk<'_, f32>, usize> {
        if self.0.used() < n {
            self.0.refresh_tail();
            if self.0.used() < n {
                return Err(self.0.used());
            }
        }
        let chunk = ReadChunk { consumer: self, len: n };
        chunk.touch();
        Ok(chunk)
    }
}

#[derive(Debug)]
pub struct ReadChunk<'a, T> {
    consumer: &'a mut Consumer<T>,
    len: usize,
}

impl ReadChunk<'_, f32> {
    fn touch(&self) {
        let End { buffer, head, .. } = &self.consumer.0;
        for index in 0..self.len {
            buffer.guards[buffer.place(head.get(), index)].with(|_| ());
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn as_slices(&self) -> (&[f32], &[f32]) {
        let End { buffer, head, .. } = &self.consumer.0;
        let [(first, n), (second, m)] = buffer.parts(head.get(), self.len);
        // SAFETY: both parts lie inside the ring; `touch` proved to loom that nobody writes to
        // these slots, and the writing end cannot have them again before `commit`.
        unsafe { (std::slice::from_raw_parts(first, n), std::slice::from_raw_parts(second, m)) }
    }

    pub fn commit(self, n: usize) {
        self.touch();
        let End { buffer, head, .. } = &self.consumer.0;
        let position = buffer.increment(head.get(), n);
        buffer.head.store(position, Ordering::Release);
        head.set(position);
    }
}

pub mod chunks {
    pub use super::{ReadChunk, WriteChunk};
}
