//! Where things go: rectangles, pictures fitted into them, cells side by side.

/// Part of a canvas, in its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Rect {
    /// All of a canvas.
    pub(super) const fn whole(width: u32, height: u32) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// The same without a border on every side.
    pub(super) fn inset(self, border: u32) -> Self {
        let shrink = |side: u32| side.saturating_sub(2 * border).max(1);
        let (width, height) = (shrink(self.width), shrink(self.height));
        Self {
            x: self.x + self.width.saturating_sub(width) / 2,
            y: self.y + self.height.saturating_sub(height) / 2,
            width,
            height,
        }
    }
}

/// The largest rectangle of this shape inside another, in its middle.
pub(super) fn fit(shape: (u32, u32), into: Rect) -> Rect {
    let (width, height) = (u64::from(shape.0.max(1)), u64::from(shape.1.max(1)));
    let (room_width, room_height) = (u64::from(into.width), u64::from(into.height));
    let narrow = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
    let (fit_width, fit_height) = if room_width * height <= room_height * width {
        let scaled = (room_width * height + width / 2) / width;
        (into.width, narrow(scaled).min(into.height).max(1.min(into.height)))
    } else {
        let scaled = (room_height * width + height / 2) / height;
        (narrow(scaled).min(into.width).max(1.min(into.width)), into.height)
    };
    Rect {
        x: into.x + (into.width - fit_width) / 2,
        y: into.y + (into.height - fit_height) / 2,
        width: fit_width,
        height: fit_height,
    }
}

/// As many cells as there are pictures, by rows, so that pictures of this shape get largest. The
/// last row is in the middle when it is not full.
pub(super) fn grid(count: u32, shape: (u32, u32), area: Rect) -> Vec<Rect> {
    let rows_of = |columns: u32| count.div_ceil(columns.max(1)).max(1);
    let picture = |columns: u32| {
        let cell = Rect::whole(area.width / columns.max(1), area.height / rows_of(columns));
        let fitted = fit(shape, cell);
        u64::from(fitted.width) * u64::from(fitted.height)
    };
    // The last of equals: rather side by side than one below the other.
    let columns = (1..=count).max_by_key(|columns| picture(*columns)).unwrap_or(1);
    let rows = rows_of(columns);
    (0..count)
        .map(|index| {
            let (row, column) = (index / columns, index % columns);
            let in_row = (count - row * columns).min(columns);
            let shift = (columns - in_row) * (area.width / columns) / 2;
            let (x, width) = part(area.width, columns, column);
            let (y, height) = part(area.height, rows, row);
            Rect { x: area.x + x + shift, y: area.y + y, width, height }
        })
        .collect()
}

/// Start and length of one of several equal parts of a length; nothing is left between them.
fn part(length: u32, parts: u32, index: u32) -> (u32, u32) {
    let edge = |index: u32| {
        let edge = u64::from(length) * u64::from(index) / u64::from(parts.max(1));
        u32::try_from(edge).unwrap_or(length)
    };
    let start = edge(index);
    (start, edge(index + 1) - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape() {
        let area = Rect { x: 10, y: 20, width: 400, height: 400 };
        let check = |shape, x, y, width, height| {
            assert_eq!(fit(shape, area), Rect { x, y, width, height }, "{shape:?}");
        };
        check((400, 400), 10, 20, 400, 400);
        check((1920, 1080), 10, 107, 400, 225);
        check((1080, 1920), 97, 20, 225, 400);
        check((16384, 1), 10, 219, 400, 1);
        check((1, 16384), 209, 20, 1, 400);
        assert_eq!(fit((3, 4), Rect::whole(0, 0)), Rect::whole(0, 0));
    }

    #[test]
    fn cells_fill_the_area_without_meeting() {
        for (width, height) in [(1280, 720), (101, 997), (3, 3), (80, 48)] {
            for count in 1..20 {
                let cells = grid(count, (16, 9), Rect::whole(width, height));
                assert_eq!(cells.len(), usize::try_from(count).unwrap());
                for (index, a) in cells.iter().enumerate() {
                    assert!(a.x + a.width <= width && a.y + a.height <= height, "{a:?}");
                    for b in &cells[index + 1..] {
                        let apart = a.x + a.width <= b.x || a.y + a.height <= b.y;
                        assert!(apart, "{count} in {width}x{height}: {a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn cells_follow_the_shape_of_the_area() {
        let columns = |count, width, height| {
            let cells = grid(count, (16, 9), Rect::whole(width, height));
            cells.iter().filter(|cell| cell.y == 0).count()
        };
        assert_eq!(columns(1, 1280, 720), 1);
        assert_eq!(columns(3, 1280, 720), 2);
        assert_eq!(columns(3, 1920, 360), 3);
        assert_eq!(columns(3, 320, 720), 1);
        assert_eq!(columns(9, 1280, 720), 3);
    }

    #[test]
    fn a_last_row_is_in_the_middle() {
        let cells = grid(3, (16, 9), Rect::whole(1280, 720));
        assert_eq!(cells[2], Rect { x: 320, y: 360, width: 640, height: 360 });
    }

    #[test]
    fn borders_are_on_every_side() {
        let inner = Rect { x: 3, y: 5, width: 7, height: 20 }.inset(2);
        assert_eq!(inner, Rect { x: 5, y: 7, width: 3, height: 16 });
        assert_eq!(Rect::whole(3, 3).inset(9), Rect { x: 1, y: 1, width: 1, height: 1 });
    }
}
