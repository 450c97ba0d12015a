//! Written forms of credentials, as issuers and programs print them.

use super::dice::Dice;

/// A text and what must not be left of it.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) secret: String,
}

pub(super) fn encode(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (u32::from(chunk[0]) << 16)
            | (u32::from(*chunk.get(1).unwrap_or(&0)) << 8)
            | u32::from(*chunk.get(2).unwrap_or(&0));
        for n in 0..4 {
            if n > chunk.len() {
                out.push('=');
            } else {
                out.push(char::from(SYMBOLS[usize::try_from((word >> (18 - 6 * n)) & 63).unwrap()]));
            }
        }
    }
    out
}

/// What URLs escape.
pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn lead(parts: &[&str]) -> String {
    parts.concat()
}

/// The text without line ends, as environment variables hold it.
fn pem(dice: &mut Dice, label: &str, line_end: &str) -> (String, String) {
    let lines: Vec<String> = (0..6).map(|n| dice.base64(if n == 5 { 22 } else { 64 })).collect();
    let text = format!(
        "-----{} {label}-----{line_end}{}{line_end}-----{} {label}-----",
        "BEGIN",
        lines.join(line_end),
        "END"
    );
    (text, lines[5].clone())
}

/// Every form once, with fresh random credentials.
pub(super) fn all(dice: &mut Dice) -> Vec<Shape> {
    let mut out = Vec::new();
    prefixed(dice, &mut out);
    framed(dice, &mut out);
    paired(dice, &mut out);
    located(dice, &mut out);
    encoded(dice, &mut out);
    out
}

fn prefixed(dice: &mut Dice, out: &mut Vec<Shape>) {
    let mut add = |name, text: String| out.push(Shape { name, secret: text.clone(), text });
    add("aws access key", lead(&["AK", "IA", &dice.upper(14), "Q7"]));
    add("aws session key", lead(&["AS", "IA", &dice.upper(14), "7Q"]));
    add("google api key", lead(&["AI", "za", &dice.url(33), "a1"]));
    add("google oauth", lead(&["ya", "29.", &dice.url(60)]));
    add("google client secret", lead(&["GOC", "SPX-", &dice.url(28)]));
    for prefix in ["p", "o", "s", "u", "r"] {
        add("github", lead(&["gh", prefix, "_", &dice.alnum(36)]));
    }
    add("github fine-grained", lead(&["github", "_pat_", &dice.alnum(22), "_", &dice.alnum(59)]));
    add("gitlab", lead(&["gl", "pat-", &dice.url(20)]));
    add("gitlab runner", lead(&["gl", "rt-", &dice.url(20)]));
    add("slack bot", lead(&["xo", "xb-", &dice.digits(12), "-", &dice.digits(12), "-", &dice.alnum(24)]));
    add("slack user", lead(&["xo", "xp-", &dice.digits(12), "-", &dice.digits(12), "-", &dice.hex(32)]));
    add("stripe live", lead(&["sk", "_live_", &dice.alnum(24)]));
    add("stripe restricted", lead(&["rk", "_live_", &dice.alnum(24)]));
    add("npm", lead(&["np", "m_", &dice.alnum(36)]));
    add("pypi", lead(&["py", "pi-AgEIcHlwaS5vcmc", &dice.url(60)]));
    add("docker hub", lead(&["dc", "kr_pat_", &dice.url(27)]));
    add("sendgrid", lead(&["S", "G.", &dice.url(22), ".", &dice.url(41), "a1"]));
    add("twilio", lead(&["S", "K", &dice.hex(32)]));
    add("mailgun", lead(&["ke", "y-", &dice.hex(32)]));
    add("mailchimp", lead(&[&dice.hex(32), "-us", "12"]));
    add("openai", lead(&["s", "k-", &dice.alnum(45), "T3"]));
    add("openai project", lead(&["s", "k-proj-", &dice.url(64)]));
    add("anthropic", lead(&["s", "k-ant-api03-", &dice.url(80)]));
    add("hugging face", lead(&["h", "f_", &dice.alnum(33), "1"]));
    add("digitalocean", lead(&["do", "p_v1_", &dice.hex(64)]));
    add("heroku", lead(&["HR", "KU-", &dice.url(58)]));
    add("vault", lead(&["hv", "s.", &dice.url(90)]));
    add("vault, old", lead(&["s", ".", &dice.alnum(22), "4T"]));
    add("terraform", lead(&[&dice.alnum(14), ".atla", "sv1.", &dice.url(67)]));
    add("bootstrap", lead(&[&dice.lower(6), ".", &dice.lower(12), "x9z4"]));
    add("openshift", lead(&["sha", "256~", &dice.url(43)]));
    add("grafana", lead(&["gl", "sa_", &dice.alnum(32), "_", &dice.hex(8)]));
    add("databricks", lead(&["da", "pi", &dice.hex(32)]));
    add("shopify", lead(&["shp", "at_", &dice.hex(32)]));
    add("telegram", lead(&[&dice.digits(9), ":A", "A", &dice.url(33)]));
    add("azure client secret", lead(&[&dice.alnum(3), "8", "Q", "~", &dice.alnum(34)]));
    add("new relic", lead(&["NR", "AK-", &dice.upper(27)]));
    add("tailscale", lead(&["ts", "key-auth-", &dice.alnum(12), "-", &dice.alnum(24)]));
    add("age", lead(&["AGE-SEC", "RET-KEY-1", &dice.upper(58)]));
    add("bcrypt", lead(&["$2", "b$12$", &dice.alnum(53)]));
    add("sha512-crypt", lead(&["$", "6$", &dice.alnum(12), "$", &dice.alnum(86)]));
}

fn framed(dice: &mut Dice, out: &mut Vec<Shape>) {
    let header = encode(br#"{"alg":"RS256","typ":"JWT","kid":"a1"}"#).replace('=', "");
    let claims =
        encode(format!(r#"{{"sub":"{}","exp":1893456000}}"#, dice.alnum(12)).as_bytes()).replace('=', "");
    let jwt = format!("{header}.{claims}.{}", dice.url(86));
    out.push(Shape { name: "jwt", text: jwt.clone(), secret: claims });
    out.push(Shape { name: "jwt behind a name", text: format!("id_token={jwt}&x=1"), secret: jwt });
    for label in
        ["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]
    {
        let (text, secret) = pem(dice, label, "\n");
        out.push(Shape { name: "pem", text, secret });
        let (text, secret) = pem(dice, label, "\\n");
        out.push(Shape { name: "pem in one line", text, secret });
    }
    let (text, secret) = pem(dice, "RSA PRIVATE KEY", "\n");
    out.push(Shape { name: "pem, url-encoded", text: percent(&text), secret: percent(&secret) });
    let (text, secret) = pem(dice, "CERTIFICATE", "\n");
    out.push(Shape { name: "certificate", text, secret });
    let (text, secret) = pem(dice, "PRIVATE KEY", "\\n");
    let account =
        format!(r#"{{"type":"service_account","private_key":"{text}\n","client_email":"a@b.iam"}}"#);
    out.push(Shape { name: "service account json", text: account, secret });
}

fn paired(dice: &mut Dice, out: &mut Vec<Shape>) {
    let mut add = |name, before: &str, secret: String, after: &str| {
        out.push(Shape { name, text: format!("{before}{secret}{after}"), secret });
    };
    add("password=", "user=app password=", dice.password(), " host=db");
    add("passwd:", "passwd: ", dice.password(), "");
    add("PGPASSWORD", "PGPASSWORD=", dice.password(), " psql -h db");
    add("--password", "backup --user root --password ", dice.password(), " --all");
    add("--token=", "agent --token=", dice.lower(24), " --verbose");
    add("-p", "mysql -h db -u root -p", dice.password(), " shop");
    add("-p with a blank", "sshpass -p ", dice.password(), " ssh root@host");
    add("json password", r#"{"user":"app","password":""#, dice.password(), r#"","port":5432}"#);
    add(
        "escaped json",
        r#"body: "{\"user\":\"app\",\"password\":\""#,
        dice.password(),
        r#"\",\"port\":5432}""#,
    );
    add("twice escaped json", r#"\\\"secret_key\\\":\\\""#, dice.lower(20), r#"\\\","#);
    add("yaml password", "database:\n  user: app\n  password: ", dice.password(), "\n  port: 5432");
    add("yaml quoted", "apiKey: '", dice.alnum(20), "'");
    add("properties", "spring.datasource.password=", dice.password(), "\nspring.jpa.show-sql=false");
    add("api_key", "api_key=", dice.hex(32), "&page=2");
    add("header key", "X-Api-Key: ", dice.alnum(32), "");
    add("bearer", "Authorization: Bearer ", dice.alnum(40), "");
    add("bearer alone", "retrying with bearer ", dice.alnum(32), " after 401");
    add("basic", "Authorization: Basic ", encode(format!("admin:{}", dice.password()).as_bytes()), "");
    add("go header map", "map[Accept:[*/*] Authorization:[Bearer ", dice.alnum(32), "] User-Agent:[x]]");
    add("cookie", "Cookie: SESSION=", dice.alnum(32), "; theme=dark");
    add("set-cookie", "Set-Cookie: JSESSIONID=", dice.upper(32), "; Path=/; HttpOnly");
    add("aws secret", "aws_secret_access_key = ", dice.base64(40), "");
    add(
        "azure storage",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=",
        format!("{}==", dice.base64(86)),
        ";EndpointSuffix=core.windows.net",
    );
    add(
        "service bus",
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=",
        format!("{}=", dice.base64(43)),
        "",
    );
    add(
        "heroku api key",
        "HEROKU_API_KEY=",
        format!("{}-{}-{}-{}-{}", dice.hex(8), dice.hex(4), dice.hex(4), dice.hex(4), dice.hex(12)),
        "",
    );
    add("twilio auth token", "TWILIO_AUTH_TOKEN: ", dice.hex(32), "");
    add(
        "docker auth",
        r#"{"auths":{"registry.example.com":{"auth":""#,
        encode(format!("robot:{}", dice.alnum(20)).as_bytes()),
        r#""}}}"#,
    );
    add("env entry", r#"{"name":"DB_PASSWORD","value":""#, dice.password(), r#""}"#);
    add("env entry yaml", "- name: API_TOKEN\n  value: ", dice.lower(20), "\n");
    add("env entry go", "EnvVar{Name:DB_PASSWORD,Value:", dice.alnum(12), ",ValueFrom:nil,}");
    add("kubeconfig token", "users:\n- name: admin\n  user:\n    token: ", dice.alnum(40), "\n");
    add("kubeconfig key", "    client-key-data: ", dice.base64(120), "\n");
    add("xml", "<user>app</user><password>", dice.password(), "</password>");
    add("sql", "ALTER USER app WITH ENCRYPTED PASSWORD '", dice.password(), "';");
    add("netrc", "machine git.example.com login bot password ", dice.password(), "");
    add("npmrc", "//registry.npmjs.org/:_authToken=", dice.alnum(36), "");
    add("encoded parameter", "next=%2Flogin%3Fpassword%3D", dice.alnum(16), "%26user%3Dapp");
    add("encoded json", "q=%7B%22password%22%3A%22", dice.alnum(16), "%22%7D");
    add("json unicode", r"x\u0026client_secret\u003d", dice.alnum(24), r"\u0026y");
    add("colour", "\u{1b}[32mpassword\u{1b}[0m=", dice.alnum(12), "\u{1b}[0m");
    add("args", r#"["--user","root","--password",""#, dice.password(), r#"","--all"]"#);
    add("jaas", r#"required username="kafka" password=""#, dice.password(), r#"";"#);
}

fn located(dice: &mut Dice, out: &mut Vec<Shape>) {
    let mut add = |name, before: &str, secret: String, after: &str| {
        out.push(Shape { name, text: format!("{before}{secret}{after}"), secret });
    };
    add("url password", "postgres://app:", dice.password().replace('#', "~"), "@db.example.com:5432/shop");
    add("redis url", "redis://:", dice.alnum(16), "@cache:6379/0");
    add("amqp url", "dial amqp://guest:", dice.alnum(12), "@mq:5672: connection refused");
    add("git url", "https://x-access-token:", dice.alnum(20), "@github.com/org/repo.git");
    add("token as user", "https://", format!("{}1a", dice.alnum(30)), "@git.example.com/repo.git");
    add("mysql dsn", "app:", dice.alnum(14), "@tcp(db:3306)/shop?parseTime=true");
    add("encoded url", "dsn=postgres%3A%2F%2Fapp%3A", dice.alnum(14), "%40db%2Fshop");
    add("escaped url", r"mongodb:\/\/root:", dice.alnum(14), r"@mongo\/admin");
    add(
        "azure sas",
        "https://a.blob.core.windows.net/c?sv=2023-01-03&sp=r&sig=",
        percent(&format!("{}=", dice.base64(43))),
        "",
    );
    add(
        "aws presigned",
        "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=",
        dice.hex(64),
        "&X-Amz-Expires=300",
    );
    add("access token", "/callback?access_token=", dice.alnum(32), "&state=1");
    add(
        "slack webhook",
        "https://hooks.slack.com/services/",
        format!("T{}/B{}/{}", dice.upper(8), dice.upper(8), dice.alnum(24)),
        "",
    );
    add(
        "discord webhook",
        "https://discord.com/api/webhooks/",
        format!("{}/{}", dice.digits(18), dice.url(68)),
        "",
    );
    add("curl -u", "curl -s -u admin:", dice.alnum(14), " https://x");
}

fn encoded(dice: &mut Dice, out: &mut Vec<Shape>) {
    let mut add = |name, text: String| out.push(Shape { name, secret: text.clone(), text });
    add("random base64", dice.base64(64));
    add("random base64url", dice.url(48));
    add("base64 of a pair", encode(format!("password={}", dice.alnum(10)).as_bytes()));
    add("base64 of yaml", encode(format!("user: app\npassword: {}\n", dice.alnum(10)).as_bytes()));
    let (key, _) = pem(dice, "PRIVATE KEY", "\n");
    add("base64 of pem", encode(key.as_bytes()));
    add("gzip in base64", lead(&["H4", "sIAAAAAAAA/", &dice.base64(60)]));
    add("helm release", encode(lead(&["H4", "sIAAAAAAAC/", &dice.base64(80)]).as_bytes()));
    let escaped = percent(&dice.base64(60));
    add("base64, url-encoded", escaped);
    add("base64, json-escaped", dice.base64(60).replace('/', "\\/"));
}
