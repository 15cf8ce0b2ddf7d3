//! What a page must be: well-formed XML (elements, attributes, entities), and nothing of it from elsewhere.

/// Checks a page; panics with what is wrong.
pub(crate) fn check(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a page begins with its type");
    let mut open: Vec<String> = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at]);
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed by another tag");
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(' ').next().expect("a name");
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "no name of an element: {name:?}");
        assert!(
            !["script", "link", "img", "iframe", "object", "embed", "a", "use", "image", "form"].contains(&name),
            "<{name}> is not allowed"
        );
        attributes(&tag[name.len()..]);
        if !empty {
            open.push(name.to_owned());
        }
    }
    check_text(rest);
    assert!(open.is_empty(), "not closed: {open:?}");
    for elsewhere in ["http:", "https:", "//", "url(", "@import", "@font-face", "data:", "javascript:"] {
        assert!(!page.contains(elsewhere), "the page asks for something from elsewhere: {elsewhere}");
    }
}

fn attributes(text: &str) {
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let name = name.trim();
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "no name of an attribute: {name:?}");
        assert!(!["src", "href", "style", "srcset"].contains(&name) && !name.starts_with("on"), "{name} is not allowed");
        let (value, after) = after.split_once('"').expect("an attribute ends");
        check_text(value);
        rest = after;
    }
    assert_eq!(rest.trim(), "", "no attribute");
}

fn check_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|entity| text[at..].starts_with(entity)), "no entity: {}", &text[at..]);
    }
}

#[test]
#[should_panic(expected = "closed by another tag")]
fn what_is_crossed_is_found() {
    check("<!DOCTYPE html>\n<p><b></p></b>");
}

#[test]
#[should_panic(expected = "src is not allowed")]
fn what_comes_from_elsewhere_is_found() {
    check("<!DOCTYPE html>\n<p src=\"x\"></p>");
}

#[test]
#[should_panic(expected = "no entity")]
fn what_is_not_escaped_is_found() {
    check("<!DOCTYPE html>\n<p>a & b</p>");
}
