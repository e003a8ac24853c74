//! What is read out of the server's trees.

use super::tree::{Named, read};

const CHECK: &str = "{BOOLEXPR :boolop and :args ({OPEXPR :opno 521 :opfuncid 147 :opresulttype 16 :opretset false \
    :opcollid 0 :inputcollid 0 :args ({COERCETODOMAINVALUE :typeId 23 :typeMod -1 :collation 0 :location 32} {CONST \
    :consttype 23 :consttypmod -1 :constcollid 0 :constlen 4 :constbyval true :constisnull false :location 40 :constvalue 4 \
    [ 0 0 0 0 0 0 0 0 ]}) :location 38} {FUNCEXPR :funcid 1576 :funcresulttype 20 :args <> :location 2096}) :location 1}";

fn draw(argument: &str) -> Named {
    read(&format!("{{FUNCEXPR :funcid 1574 :funcresulttype 20 :args ({argument}) :location 7}}"))
}

#[test]
fn built_in_functions_are_named() {
    let named = read(CHECK);
    assert_eq!(named.functions.into_iter().collect::<Vec<_>>(), [147, 1576]);
    assert_eq!(named.operators.into_iter().collect::<Vec<_>>(), [521]);
    assert_eq!(named.unknown, None);
}

#[test]
fn a_name_cannot_hide_what_comes_behind_it() {
    for name in [
        ":constvalue",
        ":funcid",
        "a:constvalue",
        "\"",
        "x\"",
        "\\(",
        "\\{CONST",
        "\\}",
        "\\]",
        "]",
        "[",
        "<>",
        "<",
        ":",
    ] {
        let tree = format!(
            "({{QUERY :commandType 1 :utilityStmt <> :rtable ({{RANGETBLENTRY :alias {{ALIAS :aliasname {name} :colnames \
             (\"{name}\" \"b\")}} :rtekind 0 :relid 16390}}) :targetList ({{TARGETENTRY :expr {{FUNCEXPR :funcid 2096 :args \
             <>}} :resno 1 :resname {name} :ressortgroupref 0}})}})"
        );
        let named = read(&tree);
        assert!(named.functions.contains(&2096) || named.unknown.is_some(), "{name}: {named:?}");
        assert!(named.relations.contains(&16_390) || named.unknown.is_some(), "{name}: {named:?}");
    }
}

#[test]
fn a_sequence_counts_only_as_a_constant() {
    let constant = "{CONST :consttype 2205 :constlen 4 :constvalue 4 [ 5 64 0 0 0 0 0 0 ]}";
    assert_eq!(draw(constant).draws.into_iter().collect::<Vec<_>>(), [16_389]);
    assert!(draw(constant).functions.is_empty());
    let others = [
        format!("{{FUNCEXPR :funcid 1079 :args ({constant})}}"),
        "{VAR :varno 1}".to_owned(),
        "{CONST :consttype 2205 :constlen 4 :constvalue <>}".to_owned(),
    ];
    for other in others {
        assert!(draw(&other).functions.contains(&1574), "{other}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    for (tree, unknown) in [
        ("({QUERY :commandType 6 :utilityStmt {NOTIFYSTMT :conditionname x :payload <>}})", true),
        ("{NEWNODE :funcid 5}", true),
        ("{FUNCEXPR :funcid 5", true),
        ("{FUNCEXPR funcid 5}", true),
        ("funcid 5", true),
        ("{CONST :constvalue 4 ( 1 2 3 )}", true),
        ("<>", false),
        ("({QUERY :commandType 1 :utilityStmt <> :opnos (o 96 97)})", false),
    ] {
        assert_eq!(read(tree).unknown.is_some(), unknown, "{tree}");
    }
}

#[test]
fn a_change_of_rows_is_one() {
    assert!(read("({QUERY :commandType 4 :rtable ({RANGETBLENTRY :relid 16400})})").writes);
    assert!(!read("({QUERY :commandType 1 :rtable ({RANGETBLENTRY :relid 16400})})").writes);
}
