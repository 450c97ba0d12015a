//! What `clean` escapes, where it cuts, and that nothing is lost in silence.

use super::*;

#[test]
fn characters_that_do_not_show_are_written_out() {
    let cases = [
        ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
        ("a\u{202e}b", "a\\u{202e}b"),
        ("pass\u{200b}word", "pass\\u{200b}word"),
        ("tag\u{e0041}", "tag\\u{e0041}"),
        ("one\ntwo\r\n\tthree", "one\\ntwo\\r\\n\\tthree"),
        ("nul\0bell\u{7}", "nul\\u{0}bell\\u{7}"),
        ("c1\u{9b}31m", "c1\\u{9b}31m"),
        ("Grüße, 世界 🙂", "Grüße, 世界 🙂"),
    ];
    for (text, expected) in cases {
        assert_eq!(clean(text, 200), Clean { text: expected.to_owned(), truncated: false });
    }
}

#[test]
fn a_cut_falls_between_characters_and_says_what_is_missing() {
    assert_eq!(clean("日本語", 4).text, "日… (+6 bytes)");
    assert_eq!(clean("ab\u{1b}cd", 5).text, "ab… (+3 bytes)", "an escape is kept whole or not at all");
    assert_eq!(clean("abc", 3), Clean { text: "abc".to_owned(), truncated: false });
    assert_eq!(clean("abc", 0), Clean { text: "… (+3 bytes)".to_owned(), truncated: true });
    assert_eq!(clean("", 0), Clean { text: String::new(), truncated: false });
}

#[test]
fn clean_text_is_borrowed() {
    assert!(matches!(clean_cow("plain", 10), Cow::Borrowed("plain")));
    assert_eq!(clean_cow("plain", 2), "pl… (+3 bytes)");
}

#[test]
fn cleaning_twice_changes_nothing() {
    let once = clean("a\u{1b}b\u{2066}c\nd", 100).text;
    assert_eq!(clean(&once, 100).text, once);
}

#[test]
fn a_line_is_redacted_before_it_is_cut() {
    let secret = ["hun", "ter2hun", "ter2"].concat();
    let text =
        format!("cannot dial postgres://app:{secret}@db:5432/shop\n\u{1b}[32mpassword\u{1b}[0m={secret}");
    for most in 0..120 {
        let line = line(&text, most);
        assert!(!line.contains("hunter2"), "{line}");
        assert!(line.chars().count() <= most + 1 && !line.contains('\n'), "{line}");
    }
    assert_eq!(line(" short ", 80), "short");
}

#[test]
fn texts_and_keys_of_a_value_are_cleaned_and_lines_stay() {
    let mut value = serde_json::json!({"a\u{200b}": ["x\u{202e}y", {"z": "one\n\ttwo\r\nthree"}], "n": 1});
    assert!(clean_json(&mut value));
    let clean = serde_json::json!({"a\\u{200b}": ["x\\u{202e}y", {"z": "one\n\ttwo\nthree"}], "n": 1});
    assert_eq!(value, clean);
    assert!(!clean_json(&mut value));
}
