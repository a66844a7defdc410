"""In which order assessments stand whom nothing else sets apart: by the roster, so that two cities that hold the same agree."""


def equals(annuals: str) -> str:
    """Return the SQL terms that put equals in order, where `annuals` names their rows and `cadres` the joined roster.

    Who has held the post longest comes first, then the older person, then unit, name and post; groups go by their unit.
    The row's own id, which no other city shares, is asked last, for two people of whom the roster says all the same.
    """
    return (
        f'cadres.post_since, cadres.birth, {annuals}.unit COLLATE "C", cadres.name COLLATE "C", cadres.post COLLATE "C",'
        f" {annuals}.id"
    )
