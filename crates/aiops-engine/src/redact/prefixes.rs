//! Credentials whose issuer gave them a form of their own: a prefix and a body of known alphabet and length.
//!
//! One table, and a few forms with their mark in the middle. It refuses forms that ordinary names share.

use super::values::looks_random;
use super::view::{Span, View, url_safe};

/// What a body is made of.
#[derive(Debug, Clone, Copy)]
enum Body {
    Alnum,
    /// Letters, digits, `-`, `_`.
    Url,
    /// As `Url`, with dots.
    Dotted,
    Base64,
    Hex,
    /// Capitals and digits.
    Upper,
}

impl Body {
    const fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => url_safe(byte),
            Self::Dotted => url_safe(byte) || byte == b'.',
            Self::Base64 => super::view::base64(byte),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

/// A prefix and what must follow it.
#[derive(Debug)]
pub(super) struct Prefix {
    /// The prefix, compared with its case.
    pub(super) lead: &'static str,
    tag: &'static str,
    body: Body,
    /// Least and greatest length of the body, in bytes; a longer one is something else.
    min: usize,
    max: usize,
    /// Whether the prefix is short enough to occur inside words, and the body must look random.
    strict: bool,
}

const fn exact(lead: &'static str, tag: &'static str, body: Body, length: usize) -> Prefix {
    Prefix { lead, tag, body, min: length, max: length, strict: true }
}

const fn long(lead: &'static str, tag: &'static str, body: Body, min: usize) -> Prefix {
    Prefix { lead, tag, body, min, max: usize::MAX, strict: false }
}

const fn random(lead: &'static str, tag: &'static str, body: Body, min: usize) -> Prefix {
    Prefix { lead, tag, body, min, max: usize::MAX, strict: true }
}

pub(super) const PREFIXES: &[Prefix] = &[
    // Cloud
    exact("AKIA", "cloud-key", Body::Upper, 16),
    exact("ASIA", "cloud-key", Body::Upper, 16),
    exact("ABIA", "cloud-key", Body::Upper, 16),
    exact("ACCA", "cloud-key", Body::Upper, 16),
    random("AIza", "cloud-key", Body::Url, 35),
    long("ya29.", "cloud-key", Body::Dotted, 16),
    long("GOCSPX-", "cloud-key", Body::Url, 16),
    random("1//0", "cloud-key", Body::Url, 30),
    long("dop_v1_", "cloud-key", Body::Alnum, 32),
    long("doo_v1_", "cloud-key", Body::Alnum, 32),
    long("dor_v1_", "cloud-key", Body::Alnum, 32),
    long("HRKU-", "cloud-key", Body::Url, 30),
    long("FlyV1 fm", "cloud-key", Body::Base64, 30),
    random("fo1_", "cloud-key", Body::Url, 30),
    random("LTAI", "cloud-key", Body::Alnum, 16),
    random("AKCp", "token", Body::Alnum, 60),
    long("cmVmdGtu", "token", Body::Alnum, 50),
    // Source and packages
    long("ghp_", "token", Body::Alnum, 20),
    long("gho_", "token", Body::Alnum, 20),
    long("ghu_", "token", Body::Alnum, 20),
    long("ghs_", "token", Body::Dotted, 20),
    long("ghr_", "token", Body::Alnum, 20),
    long("github_pat_", "token", Body::Url, 20),
    long("glpat-", "token", Body::Dotted, 18),
    long("gldt-", "token", Body::Dotted, 18),
    long("glrt-", "token", Body::Dotted, 18),
    long("glptt-", "token", Body::Dotted, 18),
    long("glcbt-", "token", Body::Dotted, 18),
    long("glsoat-", "token", Body::Dotted, 18),
    long("glagent-", "token", Body::Dotted, 18),
    long("glft-", "token", Body::Dotted, 18),
    long("glimt-", "token", Body::Dotted, 18),
    long("GR1348941", "token", Body::Url, 18),
    long("ATBB", "token", Body::Alnum, 28),
    long("npm_", "token", Body::Alnum, 30),
    long("pypi-Ag", "token", Body::Url, 30),
    long("dckr_pat_", "token", Body::Url, 20),
    long("dckr_oat_", "token", Body::Url, 20),
    long("rubygems_", "token", Body::Alnum, 32),
    random("cio", "token", Body::Alnum, 32),
    long("CCIPAT_", "token", Body::Url, 20),
    long("bkua_", "token", Body::Alnum, 30),
    long("squ_", "token", Body::Alnum, 30),
    long("sqp_", "token", Body::Alnum, 30),
    long("sqa_", "token", Body::Alnum, 30),
    long("pul-", "token", Body::Hex, 40),
    // Messages, mail, payment
    long("xoxb-", "token", Body::Url, 10),
    long("xoxp-", "token", Body::Url, 10),
    long("xoxa-", "token", Body::Url, 10),
    long("xoxr-", "token", Body::Url, 10),
    long("xoxs-", "token", Body::Url, 10),
    long("xoxe-", "token", Body::Url, 10),
    long("xoxe.", "token", Body::Dotted, 20),
    long("xoxc-", "token", Body::Url, 10),
    long("xoxd-", "token", Body::Url, 10),
    long("xapp-", "token", Body::Url, 20),
    random("SG.", "token", Body::Dotted, 40),
    exact("SK", "token", Body::Hex, 32),
    exact("key-", "token", Body::Hex, 32),
    long("xkeysib-", "token", Body::Url, 40),
    long("sk_live_", "api-key", Body::Alnum, 12),
    long("sk_test_", "api-key", Body::Alnum, 12),
    long("rk_live_", "api-key", Body::Alnum, 12),
    long("rk_test_", "api-key", Body::Alnum, 12),
    long("whsec_", "api-key", Body::Base64, 20),
    long("sq0atp-", "api-key", Body::Url, 20),
    long("sq0csp-", "api-key", Body::Url, 20),
    long("shpat_", "api-key", Body::Alnum, 30),
    long("shpca_", "api-key", Body::Alnum, 30),
    long("shppa_", "api-key", Body::Alnum, 30),
    long("shpss_", "api-key", Body::Alnum, 30),
    // Models
    random("sk-", "api-key", Body::Url, 20),
    long("sk-ant-", "api-key", Body::Url, 16),
    long("sk-proj-", "api-key", Body::Url, 16),
    random("hf_", "api-key", Body::Alnum, 28),
    random("gsk_", "api-key", Body::Alnum, 40),
    random("xai-", "api-key", Body::Alnum, 40),
    random("r8_", "api-key", Body::Alnum, 35),
    random("pplx-", "api-key", Body::Alnum, 40),
    long("lsv2_", "api-key", Body::Url, 30),
    // Infrastructure
    long("hvs.", "token", Body::Url, 20),
    long("hvb.", "token", Body::Url, 20),
    long("hvr.", "token", Body::Url, 20),
    exact("s.", "token", Body::Alnum, 24),
    long("sha256~", "token", Body::Url, 20),
    long("glsa_", "token", Body::Url, 30),
    long("glc_ey", "token", Body::Base64, 30),
    long("NRAK-", "token", Body::Upper, 20),
    long("NRII-", "token", Body::Url, 20),
    exact("dapi", "token", Body::Hex, 32),
    long("tskey-", "token", Body::Url, 15),
    long("dt0c01.", "token", Body::Dotted, 30),
    long("dt0s01.", "token", Body::Dotted, 30),
    long("dp.pt.", "token", Body::Alnum, 30),
    long("dp.st.", "token", Body::Dotted, 30),
    long("pscale_", "token", Body::Dotted, 30),
    long("sntrys_", "token", Body::Base64, 30),
    long("sntryu_", "token", Body::Alnum, 30),
    long("PMAK-", "token", Body::Url, 30),
    long("ATATT3", "token", Body::Base64, 40),
    long("ATCTT3", "token", Body::Base64, 40),
    long("lin_api_", "token", Body::Alnum, 30),
    random("ntn_", "token", Body::Alnum, 40),
    exact("secret_", "token", Body::Alnum, 43),
    long("sbp_", "token", Body::Hex, 40),
    random("nfp_", "token", Body::Alnum, 30),
    random("rnd_", "token", Body::Alnum, 20),
    long("ops_eyJ", "token", Body::Base64, 40),
    long("SSWS 00", "token", Body::Url, 30),
    long("AGE-SECRET-KEY-1", "private-key", Body::Upper, 30),
];

impl Prefix {
    pub(super) fn find(&self, view: View<'_>, start: usize) -> Option<Span> {
        if !view.starts(start, self.lead) || (self.strict && !view.word_begins(start)) {
            return None;
        }
        let body = start + self.lead.len();
        let end = view.skip(body, usize::MAX, |byte| self.body.has(byte));
        let length = end - body;
        let random = !self.strict
            || matches!(self.body, Body::Hex)
            || looks_random(view.text(body, end.min(body + 64)), 8);
        (length >= self.min && length <= self.max && random).then(|| Span::new(start, end, self.tag))
    }
}

/// Terraform Cloud: `<14>.atlasv1.<60 or more>`.
pub(super) fn atlas(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let head = view.skip_back(start, 20, |byte| byte.is_ascii_alphanumeric());
    let tail = view.skip(end, usize::MAX, url_safe);
    (start - head >= 10 && tail - end >= 40).then(|| Span::new(head, tail, "token"))
}

/// Azure AD client secret: three characters, a digit, `Q~` and 31 to 34 more.
pub(super) fn azure_secret(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let body = |byte: u8| url_safe(byte) || matches!(byte, b'.' | b'~');
    let head = view.skip_back(start, 4, body);
    let tail = view.skip(end, 48, body);
    (start - head == 4 && view.before(start).is_ascii_digit() && (28..=40).contains(&(tail - end)))
        .then(|| Span::new(head, tail, "cloud-key"))
}

/// Telegram bot: `<8 to 10 digits>:AA<33>`.
pub(super) fn telegram(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let head = view.skip_back(start, 12, |byte| byte.is_ascii_digit());
    let tail = view.skip(end, 48, url_safe);
    (view.starts(start, ":AA") && (8..=11).contains(&(start - head)) && (30..=40).contains(&(tail - end)))
        .then(|| Span::new(head, tail, "token"))
}

/// Mailchimp: `<32 hex>-us<digits>`.
pub(super) fn mailchimp(view: View<'_>, start: usize, end: usize) -> Option<Span> {
    let head = view.skip_back(start, 33, |byte| byte.is_ascii_hexdigit());
    let tail = view.skip(end, 3, |byte| byte.is_ascii_digit());
    (start - head == 32 && tail > end && !view.at(tail).is_ascii_alphanumeric())
        .then(|| Span::new(head, tail, "token"))
}

/// Kubernetes bootstrap token: six characters, a dot, sixteen.
pub(super) fn bootstrap(view: View<'_>, dot: usize) -> Option<Span> {
    let class = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !class(view.at(dot + 16)) || url_safe(view.at(dot + 17)) || view.at(dot + 17) == b'.' {
        return None;
    }
    let start = dot.checked_sub(6)?;
    let end = dot + 17;
    let before = view.before(start);
    let alone = view.word_begins(start) && !matches!(before, b'-' | b'.' | b'_' | b'/' | b'@');
    let whole = view.bytes(start, dot).iter().chain(view.bytes(dot + 1, end)).all(|byte| class(*byte));
    if !alone || !whole {
        return None;
    }
    // An event is named after its object and the nanosecond it was written: `abcdef.17c1a2b3d4e5f607`.
    let tail = view.bytes(dot + 1, end);
    let event = tail.first() == Some(&b'1') && tail.iter().all(u8::is_ascii_hexdigit);
    let digits = tail.iter().filter(|byte| byte.is_ascii_digit()).count();
    (!event && (2..16).contains(&digits)).then(|| Span::new(start, end, "token"))
}

/// Password hashes of crypt(3), Argon2 and SCRAM.
pub(super) fn crypt(view: View<'_>, start: usize) -> Option<Span> {
    let end = view.skip(start, 512, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'.' | b'/' | b'=' | b',' | b'+' | b':' | b'-')
    });
    let body = view.bytes(start, end);
    let salted = body.iter().filter(|byte| **byte == b'$').count() >= 2;
    (salted && body.len() >= 28).then(|| Span::new(start, end, "password-hash"))
}
