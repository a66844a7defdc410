"""Cases: business that moves through states. One declared machine gives a case type all that a transition needs.

A case type is declared in four places of its service, and in no shared code:

- `domain/<kind>.py`: the states (a python-statemachine class) and the `Action` of each transition: who may take it and
  within what reach, its guards, its effect, its deadlines, its event;
- `persistence/models.py`: one model with `CaseColumns`;
- `schemas/`: one form per action, one payload, one view;
- `application/<kind>s.py`: one `Cases(...)` that binds them; `entrypoints/http.py` turns it into routes.
"""

from citybus.actor import Actor
from citybus.cases.declare import Action, Arm, CaseType, Past, Reach, Scope, Step
from citybus.cases.perform import Cases
from citybus.cases.tables import CaseColumns

__all__ = ["Action", "Actor", "Arm", "CaseColumns", "CaseType", "Cases", "Past", "Reach", "Scope", "Step"]
