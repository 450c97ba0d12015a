//! Estimates how many tokens of a language model a text takes, without a vocabulary.
//!
//! Errs on the high side for what clusters print: names, numbers, hashes, JSON. It refuses to be exact: budgets
//! are kept with it, counts are never reported from it.

/// The estimated tokens of a text (o200k), seldom below the true count.
pub fn estimate(text: &str) -> usize {
    let mut quarters = 0;
    let mut previous = Class::Blank;
    let mut run = 0;
    for character in text.chars() {
        let class = Class::of(character);
        run = if class == previous { run + 1 } else { 0 };
        quarters += match class {
            // A blank joins the word behind it; more than one is a token now and then.
            Class::Blank => usize::from(run % 8 == 1) * 4,
            // Words of prose are one token, long names two or three.
            Class::Lower => {
                if run == 0 {
                    if previous == Class::Digit { 4 } else { 3 }
                } else {
                    usize::from(run > 3)
                }
            }
            Class::Upper => {
                if run == 0 {
                    4
                } else {
                    1
                }
            }
            // Digits go by threes.
            Class::Digit => usize::from(run % 3 == 0) * 4,
            Class::Mark => {
                if run == 0 {
                    4
                } else {
                    2
                }
            }
            Class::Wide => 5,
        };
        previous = class;
    }
    quarters.div_ceil(4)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Lower,
    Upper,
    Digit,
    Mark,
    Wide,
}

impl Class {
    fn of(character: char) -> Self {
        match character {
            ' ' | '\n' | '\t' | '\r' => Self::Blank,
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '0'..='9' => Self::Digit,
            other if other.is_ascii() => Self::Mark,
            _ => Self::Wide,
        }
    }
}
