//! The grammar of Vietnamese plates: which texts could have been issued for which kind.

use proptest::prelude::*;
use schemas::{
    PlateKind::{self, Army, Bike, Car, Diplomatic, Ebike, Other},
    PlateText,
};

const KINDS: [PlateKind; 6] = [Car, Bike, Ebike, Army, Diplomatic, Other];

/// The kinds whose grammar knows the text.
fn kinds(text: &str) -> Vec<PlateKind> {
    let plate: PlateText = text.parse().unwrap();
    KINDS.into_iter().filter(|kind| plate.fits(*kind)).collect()
}

#[test]
fn plates_fit_their_kinds_and_no_others() {
    let cases: &[(&str, &[PlateKind])] = &[
        ("88A-012.34", &[Car]),
        ("88A-1234", &[Car]),
        ("80KT-1234", &[Car, Bike]),
        ("51R-012.34", &[Car]),
        ("51RM-012.34", &[Car]),
        // The trap: a car's 88A-112.34 and an old motorbike's 88-A1 1234 are one string; so are 88LD-123.45 and 88-LD 123.45.
        ("88A11234", &[Car, Bike]),
        ("88LD-123.45", &[Car, Bike]),
        ("88-A1 123.45", &[Bike]),
        ("29-AB 123.45", &[Bike]),
        ("29-MĐ1 123.45", &[Ebike]),
        ("29-MD1 123.45", &[Ebike]),
        ("TM-1234", &[Army]),
        ("80-NG-123.45", &[Bike, Diplomatic]),
        ("80-123-NG-45", &[Diplomatic]),
        ("80-QT-123.45", &[Diplomatic]),
    ];
    for (text, expected) in cases {
        assert_eq!(kinds(text), *expected, "{text}");
    }
}

#[test]
fn texts_nobody_issues_fit_no_kind() {
    let cases = [
        "",
        "8",
        "88",
        "88A",
        "88A123",
        "88A023456",
        "A8A12345",
        "88I12345",
        "88J1234",
        "88O12345",
        "88Q12345",
        "88W12345",
        "88A0123.4567",
        "88-A0 123.45",
        "29-MĐ0 123.45",
        "29-MĐ1 1234",
        "29Đ12345",
        "TMX1234",
        "T1-1234",
        "ĐM-1234",
        "TM-12345",
        "80-123-QT-45",
        "80-QT-1234",
        "88A1234B",
        "123456789012345",
    ];
    for text in cases {
        assert_eq!(kinds(text), [], "{text}");
    }
}

#[test]
fn d_stroke_is_one_symbol_of_its_own() {
    let stroke: PlateText = "29-mđ1 123.45".parse().unwrap();
    let plain: PlateText = "29-md1 123.45".parse().unwrap();
    assert_eq!((stroke.len(), plain.len()), (10, 10));
    assert_ne!(stroke, plain);
    assert_eq!(stroke.to_string(), "29MĐ112345");
    assert_eq!(stroke.symbols()[3], PlateText::D_STROKE);
}

/// The grammar as the rules write it, matched by a few lines that share nothing with the product's.
mod oracle {
    use super::*;

    const CIVIL: &str = "ABCDEFGHKLMNPSTUVXYZ";
    const SECOND: &str = "123456789ABCDEFGHKLMNPRSTUVXYZ";
    const DIGITS: &str = "0123456789";
    const NON_ZERO: &str = "123456789";

    /// Every arrangement of classes of symbols that a kind allows.
    fn patterns(kind: PlateKind) -> Vec<Vec<String>> {
        let classes = |parts: &[&str], serial: usize| {
            let head = [DIGITS, DIGITS].into_iter().chain(parts.iter().copied()).map(String::from);
            head.chain(vec![DIGITS.to_string(); serial]).collect::<Vec<_>>()
        };
        let word = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let headed = |text: &str, serial: usize| classes(&word(text).iter().map(String::as_str).collect::<Vec<_>>(), serial);
        let letters: String = ('A'..='Z').collect();
        match kind {
            Car => {
                let special = ["LD", "DA", "MK", "HC", "CD", "KT", "TD", "R", "RM"];
                let special = special.into_iter().flat_map(|text| [headed(text, 4), headed(text, 5)]);
                [classes(&[CIVIL], 4), classes(&[CIVIL], 5)].into_iter().chain(special).collect()
            }
            Bike => vec![classes(&[CIVIL, SECOND], 4), classes(&[CIVIL, SECOND], 5)],
            Ebike => vec![classes(&["M", "DĐ", NON_ZERO], 5)],
            Army => vec![[vec![letters; 2], vec![DIGITS.to_string(); 4]].concat()],
            Diplomatic => {
                let split = |office: &str| [vec![DIGITS.to_string(); 5], word(office), vec![DIGITS.to_string(); 2]].concat();
                ["NG", "NN", "QT", "CV"].into_iter().map(|office| headed(office, 5)).chain([split("NG"), split("NN")]).collect()
            }
            Other => vec![],
        }
    }

    fn fits(text: &str, kind: PlateKind) -> bool {
        let symbols: Vec<char> = text.chars().collect();
        patterns(kind).iter().any(|p| p.len() == symbols.len() && p.iter().zip(&symbols).all(|(class, c)| class.contains(*c)))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_fits_exactly_what_the_rules_say(text in prop_oneof!["[0-9A-ZĐ]{0,12}", "[0-9]{2}[A-ZĐ]{1,2}[0-9]{4,6}", "[0-9]{2}[A-Z][0-9A-Z][0-9]{4,5}", "[0-9]{2}M[DĐE][0-9]{4,7}", "[A-Z0-9]{2}[0-9]{4}", "[0-9]{2,5}(NG|NN|QT|CV|LD|RM)[0-9]{2,5}"]) {
            let plate: PlateText = text.parse().unwrap();
            for kind in KINDS {
                prop_assert_eq!(plate.fits(kind), fits(&text, kind), "{} as {:?}", text, kind);
            }
        }
    }
}
