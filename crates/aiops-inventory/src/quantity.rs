//! Kubernetes quantities as integers: millicores for CPU, bytes for memory and storage, plain counts.
//!
//! Reads and rounds as the API server's own parser (`resource.Quantity`): away from zero. Where that one yields a 0 or a
//! wrapped number for text without a digit or for what does not fit in 63 bits, this one refuses. It does not format for
//! people; answers carry the integers.

/// CPU in millicores: `2`, `250m`, `1.5`, `1e3m` is not written by anybody and is refused.
pub fn cpu_milli(text: &str) -> Option<i64> {
    scaled(text, 1_000)
}

/// Bytes: `128Mi`, `1G`, `1e9`, `1500m` (rounded up).
pub fn bytes(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// A count, such as `pods: "110"` or `count/secrets: 1k`.
pub fn count(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// The value times `unit`, rounded up; `None` when it is not a quantity or does not fit in 63 bits.
fn scaled(text: &str, unit: i64) -> Option<i64> {
    let split =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at_checked(split)?;
    let (mantissa, fraction_digits) = mantissa(digits)?;
    let (num, den) = suffix_factor(suffix)?;
    let den = den.checked_mul(10_i128.checked_pow(fraction_digits)?)?;
    let scaled = mantissa.checked_mul(num)?.checked_mul(i128::from(unit))?;
    let rounded = scaled / den + scaled.signum() * i128::from(scaled % den != 0);
    i64::try_from(rounded).ok()
}

/// The digits without their point, and how many stand after it.
fn mantissa(text: &str) -> Option<(i128, u32)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.len() + fraction.len();
    if digits == 0 || digits > LONGEST_NUMBER {
        return None;
    }
    let value = whole.bytes().chain(fraction.bytes()).try_fold(0_i128, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i128::from(byte - b'0'))
    })?;
    let value = if text.starts_with('-') { -value } else { value };
    Some((value, u32::try_from(fraction.len()).ok()?))
}

/// Most digits read: more do not fit, whatever the suffix, or are noise behind the point.
const LONGEST_NUMBER: usize = 24;

/// The factor of a suffix as a fraction.
fn suffix_factor(suffix: &str) -> Option<(i128, i128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => return exponent(suffix),
    })
}

fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs().min(30))?;
    Some(if power >= 0 { (factor, 1) } else { (1, factor) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, `Value()` and `MilliValue()` as k8s.io/apimachinery 0.36 answers them.
    const GO: [(&str, i64, i64); 44] = [
        ("0", 0, 0),
        ("1", 1, 1_000),
        ("250m", 1, 250),
        ("1.5", 2, 1_500),
        ("0.0001", 1, 1),
        ("100n", 1, 1),
        ("1u", 1, 1),
        ("1n", 1, 1),
        ("1e2", 100, 100_000),
        ("1E2", 100, 100_000),
        ("1e0", 1, 1_000),
        ("1e-3", 1, 1),
        ("1.5e3", 1_500, 1_500_000),
        ("1e+3", 1_000, 1_000_000),
        ("12e6", 12_000_000, 12_000_000_000),
        ("1e-30", 1, 1),
        ("128Mi", 134_217_728, 134_217_728_000),
        ("1Gi", 1_073_741_824, 1_073_741_824_000),
        ("0.5Gi", 536_870_912, 536_870_912_000),
        ("1.1Gi", 1_181_116_007, 1_181_116_006_400),
        ("16384256Ki", 16_777_478_144, 16_777_478_144_000),
        ("74748088435", 74_748_088_435, 74_748_088_435_000),
        ("1k", 1_000, 1_000_000),
        ("1M", 1_000_000, 1_000_000_000),
        ("3.14159M", 3_141_590, 3_141_590_000),
        ("1G", 1_000_000_000, 1_000_000_000_000),
        ("1T", 1_000_000_000_000, 1_000_000_000_000_000),
        ("1P", 1_000_000_000_000_000, 1_000_000_000_000_000_000),
        ("1500m", 2, 1_500),
        ("1.", 1, 1_000),
        ("0.", 0, 0),
        (".5", 1, 500),
        (".5Mi", 524_288, 524_288_000),
        ("+1", 1, 1_000),
        ("+250m", 1, 250),
        ("-1", -1, -1_000),
        ("-250m", -1, -250),
        ("-0", 0, 0),
        ("-0.5", -1, -500),
        ("-1Mi", -1_048_576, -1_048_576_000),
        ("00012", 12, 12_000),
        ("0.000000000000000000001", 1, 1),
        ("0.1234567890123456789", 1, 124),
        ("999u", 1, 1),
    ];

    #[test]
    fn quantities_are_read_as_the_api_server_reads_them() {
        for (text, value, milli) in GO {
            assert_eq!((bytes(text), count(text)), (Some(value), Some(value)), "{text}");
            assert_eq!(cpu_milli(text), Some(milli), "{text}");
        }
        // Their value fits, their thousandfold does not (where Go's MilliValue is 0 or negative).
        for (text, value) in [
            ("1E", 1_000_000_000_000_000_000),
            ("9E", 9_000_000_000_000_000_000),
            ("7Ei", 8_070_450_532_247_928_832),
            ("1e18", 1_000_000_000_000_000_000),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!((bytes(text), cpu_milli(text)), (Some(value), None), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_zero() {
        for text in [
            "",
            "m",
            "Mi",
            "e3",
            ".",
            "-",
            "+",
            "1K",
            "1.2.3",
            "1X",
            "--1",
            "+-1",
            "1-2",
            "1e",
            "1e3m",
            "1e3.5",
            "1e1e1",
            "5e-1Mi",
            "1 ",
            " 1",
            "1 Gi",
            "\t1",
            "0x10",
            "1_000",
            "1,5",
            "NaN",
            "inf",
            "1m1",
            "1Kb",
            "1KiB",
            "1mi",
            "1٣",
            "8Ei",
            "10E",
            "1e19",
            "1e30",
            "1e9999",
            "1e99999999999",
            "9223372036854775808",
            "99999999999999999999E",
            "123456789012345678901234567890",
        ] {
            assert_eq!((bytes(text), cpu_milli(text)), (None, None), "{text:?}");
        }
    }
}
