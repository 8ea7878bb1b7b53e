//! Whether a thread reads in order.

use std::cell::Cell;
use std::ops::Range;

/// From which read on an order is taken for one: two may follow one another by chance.
const IN_ORDER: u32 = 3;

/// The last read of a thread.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    /// Whose data it was.
    reader: usize,
    end: u64,
    /// How many reads have come, each where the one before had ended.
    reads: u32,
}

thread_local! {
    static ORDER: Cell<Order> = Cell::default();
}

/// Whether this read, of these bytes of a reader's data, is at least the third in order by this
/// thread. A reader is known by a number; of another one with the same number nothing follows but
/// that a prefetch is for nothing.
pub(super) fn is_in_order(reader: usize, bytes: &Range<u64>) -> bool {
    let next = |before: Order| {
        let follows = before.reader == reader && before.end == bytes.start;
        let reads = if follows { before.reads.saturating_add(1) } else { 1 };
        Order { reader, end: bytes.end, reads }
    };
    // A thread that is about to end remembers nothing.
    let order = ORDER.try_with(|cell| {
        let order = next(cell.get());
        cell.set(order);
        order
    });
    order.is_ok_and(|order| order.reads >= IN_ORDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_read_in_order_is_the_first_that_counts() {
        assert!(!is_in_order(1, &(0..100)));
        assert!(!is_in_order(1, &(100..150)));
        assert!(is_in_order(1, &(150..151)) && is_in_order(1, &(151..200)));
        assert!(!is_in_order(1, &(300..400)));
        assert!(!is_in_order(1, &(400..500)));
        assert!(!is_in_order(2, &(500..600)));
        assert!(!is_in_order(1, &(600..700)));
    }

    #[test]
    fn another_thread_has_an_order_of_its_own() {
        let third = |start| {
            is_in_order(7, &(start..start + 1));
            is_in_order(7, &(start + 1..start + 2));
            is_in_order(7, &(start + 2..start + 3))
        };
        assert!(std::thread::spawn(move || third(0)).join().unwrap());
        assert!(!is_in_order(7, &(3..4)) && third(50));
    }
}
