"""The documents that are made from the code are as the code has them."""

from dandang import documents
from dandang.commands.docs import FOLDER


def test_state_diagrams_and_rules_are_current() -> None:
    assert documents.outdated(FOLDER) == [], "run: dandang docs build"


def test_every_transition_of_every_case_type_is_in_its_page() -> None:
    for case_type in documents.case_types():
        page = documents.states(case_type)
        assert page.startswith(f"# {case_type.zh}")
        for _, action, _ in case_type.transitions:
            assert f"`{action}`" in page
