"""Take away the workbooks of uploads that nobody imported: neither a roster nor a year's sheet is kept longer than needed."""

from sqlalchemy import update

from assessment.application.rulebook import Rulebook
from assessment.persistence.models import AnnualSheetRow, ImportRow
from citybus.ids import new_id
from citybus.unit_of_work import Context, Units


def forget_uploads(rulebook: Rulebook, units: Units, service: str) -> int:
    """Empty what is older than the rule `roster.keep_upload` allows, and return how many there were.

    Source: 个人信息保护法 article 19. A job takes its workbook away itself when it ends; what is left is of jobs that failed.
    """
    context = Context(f"system:{service}", (), "forget uploads", correlation_id=new_id())
    forgotten = 0
    with units(context) as uow:
        keep = rulebook.on(uow.clock.today())["roster.keep_upload"]
        for model, action, kind in (
            (ImportRow, "roster.forget", "roster-import"),
            (AnnualSheetRow, "annual-sheet.forget", "annual-sheet"),
        ):
            old = (
                update(model)
                .where(model.workbook.is_not(None), model.uploaded_at < uow.clock.now() - keep.elapsed)
                .values(workbook=None)
                .returning(model.id)
            )
            for upload in uow.session.scalars(old).all():
                uow.audit(action, f"{kind}/{upload}")
                forgotten += 1
        uow.commit()
    return forgotten
