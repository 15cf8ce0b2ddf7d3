//! `contact_sheet`: many pictures on one, to be looked at together.

use super::Picture;

impl Picture {
    /// The pictures in rows of so many, each scaled to that width and height; what is left of the last row is black. `None` where there
    /// is no picture, or a side is 0.
    ///
    /// ```
    /// use operators::vision::Picture;
    /// let grey = |v: u8| Picture::new(2, 1, vec![v; 6]).unwrap();
    /// let sheet = Picture::contact_sheet(&[grey(10), grey(20), grey(30)], 2, (2, 1)).unwrap();
    /// assert_eq!((sheet.width(), sheet.height()), (4, 2));
    /// assert_eq!([(0, 0), (2, 0), (0, 1), (2, 1)].map(|(x, y)| sheet.at(x, y)[0]), [10, 20, 30, 0]);
    /// ```
    #[must_use]
    pub fn contact_sheet(pictures: &[Self], columns: u32, (width, height): (u32, u32)) -> Option<Self> {
        let columns = columns.min(pictures.len() as u32).max(1);
        let rows = (pictures.len() as u32).div_ceil(columns);
        let row = width as usize * 3;
        let mut bgr = vec![0; columns as usize * row * rows as usize * height as usize];
        for (number, picture) in pictures.iter().enumerate() {
            let small = picture.resized(width, height)?;
            let (across, down) = (number % columns as usize, number / columns as usize);
            for y in 0..height {
                let at = (down * height as usize + y as usize) * columns as usize * row + across * row;
                bgr[at..at + row].copy_from_slice(small.row(y));
            }
        }
        Self::new(columns * width, rows * height, bgr)
    }
}
