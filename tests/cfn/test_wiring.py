"""How handles become exports and imports."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from troposphere import GetAtt, ImportValue, Ref, Template
from troposphere.s3 import Bucket

from cfn.environments import LOCAL, Environment
from cfn.wiring import House, imports, lend, publish


@dataclass(frozen=True, slots=True)
class Shelf:
    bucket: object
    sides: tuple[object, ...] = ()
    by_name: dict[str, object] = field(default_factory=dict)
    port: int = 5432
    nothing: None = None


@dataclass(frozen=True, slots=True)
class Table:
    legs: int


@dataclass(frozen=True, slots=True)
class Room:
    shelf: Shelf
    table: Table


def test_what_only_cloudformation_knows_is_imported_and_the_rest_is_passed_on() -> None:
    shelf = Shelf(bucket=Ref("B"), sides=(Ref("L"), Ref("R")), by_name={"order": GetAtt("O", "Arn")})
    lent, exports = lend(shelf, "tandem-dev-data")
    assert list(exports) == ["ShelfBucket", "ShelfSides1", "ShelfSides2", "ShelfByNameOrder"]
    assert lent.bucket.to_dict() == {"Fn::ImportValue": "tandem-dev-data:ShelfBucket"}
    assert [side.to_dict()["Fn::ImportValue"] for side in lent.sides] == [
        "tandem-dev-data:ShelfSides1",
        "tandem-dev-data:ShelfSides2",
    ]
    assert lent.by_name["order"].to_dict() == {"Fn::ImportValue": "tandem-dev-data:ShelfByNameOrder"}
    assert (lent.port, lent.nothing) == (5432, None)


def test_only_what_is_read_is_published() -> None:
    template = Template()
    publish(template, "s", {"One": Ref("A"), "Two": Ref("B")}, {"s:Two", "other:One"})
    assert list(template.outputs) == ["Two"]
    assert template.outputs["Two"].to_dict() == {"Value": {"Ref": "B"}, "Export": {"Name": "s:Two"}}


def test_imports_are_found_wherever_they_stand() -> None:
    template = Template()
    template.add_resource(Bucket("B", BucketName=ImportValue("s:One")))
    assert list(imports(template)) == ["s:One"]


def test_a_box_gets_the_handles_that_its_annotations_name() -> None:
    house = House()
    house.enter(Shelf(bucket="b"))
    house.enter(Table(legs=4))
    house.enter(Table(legs=3))

    def box(template: Template, environment: Environment, shelf: Shelf, tables: Sequence[Table]) -> tuple[object, ...]:
        return template, environment, shelf.bucket, [table.legs for table in tables]

    template = Template()
    assert house.build(box, template, LOCAL) == (template, LOCAL, "b", [4, 3])


def test_a_handle_made_of_handles_is_put_together() -> None:
    house = House()
    house.enter(Shelf(bucket="b"))
    house.enter(Table(legs=4))

    def box(template: Template, environment: Environment, room: Room) -> Room:
        del template, environment
        return room

    assert house.build(box, Template(), LOCAL) == Room(Shelf(bucket="b"), Table(legs=4))


def test_what_one_stack_enters_stays_out_of_a_copy() -> None:
    house = House()
    copy = house.copy()
    copy.enter(Table(legs=4))
    assert house.rooms == {}
