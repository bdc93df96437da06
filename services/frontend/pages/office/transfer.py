"""The catalogue as a CSV sheet, in the back office: tried first, then imported; and out again."""

from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import Field

from services.chassis.fields import Model
from services.frontend.pages.answers import HEADERS, go
from services.frontend.pages.forms import read_form
from services.frontend.pages.office.frame import OFFICE, Editor, office_router, show_office
from services.frontend.pages.visitor import visitor
from services.frontend.routes import TheProducts
from services.frontend.service import transfer

router = office_router()

PATH = f"{OFFICE}/transfer"
SHEET_BYTES = 8 * 1024 * 1024  # as many as the product service takes
FORM_BYTES = 2 * SHEET_BYTES  # what has to be escaped in a form is up to three times as long; most is not


class SheetForm(Model):
    sheet: Annotated[str, Field(min_length=1, max_length=SHEET_BYTES)]
    do: Literal["try", "import"]


@router.get("/transfer")
async def show_transfer(request: Request, staff: Editor) -> Response:
    return show_office(request, "transfer.html", staff, sheet="", tried=None, faults=())


@router.post("/transfer")
async def import_sheet(request: Request, staff: Editor, products: TheProducts) -> Response:
    """A sheet with faults changes nothing and comes back as it was, with each fault at its line."""
    filled = await read_form(request, SheetForm)
    sheet = filled.given.get("sheet", "")
    if filled.data is None:
        faults = [transfer.Fault(0, "", "Please paste a sheet, or choose a file.")]
        return show_office(request, "transfer.html", staff, status=422, sheet=sheet, tried=None, faults=faults)
    trying = filled.data.do == "try"
    result = await transfer.import_sheet(products, staff.authorization, sheet, dry_run=trying)
    if result.report is None or trying:
        status = 422 if result.report is None else 200
        return show_office(
            request, "transfer.html", staff, status=status, sheet=sheet, tried=result.report, faults=result.faults
        )
    done = {name: result.report[name] for name in ("created", "updated", "unchanged")}
    told = ", ".join(f"{number:,} {name}" for name, number in done.items())
    visitor(request).say("good", f"Imported: {told}.", href="/admin/products", link="See the products")
    return go(request, PATH)


@router.get("/products.csv")
async def export_sheet(request: Request, staff: Editor, products: TheProducts) -> Response:  # noqa: ARG001 - as every page
    sheet = await transfer.export_sheet(products, staff.authorization)
    headers = {"Content-Disposition": 'attachment; filename="products.csv"', "Cache-Control": "no-store"}
    return Response(sheet, headers={**HEADERS, **headers}, media_type="text/csv")
