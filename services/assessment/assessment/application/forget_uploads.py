"""Take away the workbooks of uploads that nobody imported: a roster is not kept longer than it is needed."""

from sqlalchemy import update

from assessment.application.rulebook import Rulebook
from assessment.persistence.models import ImportRow
from citybus.ids import new_id
from citybus.unit_of_work import Context, Units


def forget_uploads(rulebook: Rulebook, units: Units, service: str) -> int:
    """Empty what is older than the rule `roster.keep_upload` allows, and return how many there were.

    Source: 个人信息保护法 article 19. An import takes its workbook away itself when it ends; what is left is of jobs
    that failed.
    """
    context = Context(f"system:{service}", (), "forget uploads", correlation_id=new_id())
    with units(context) as uow:
        keep = rulebook.on(uow.clock.today())["roster.keep_upload"]
        old = (
            update(ImportRow)
            .where(ImportRow.workbook.is_not(None), ImportRow.uploaded_at < uow.clock.now() - keep.elapsed)
            .values(workbook=None)
            .returning(ImportRow.id)
        )
        forgotten = uow.session.scalars(old).all()
        for import_id in forgotten:
            uow.audit("roster.forget", f"roster-import/{import_id}")
        uow.commit()
    return len(forgotten)
