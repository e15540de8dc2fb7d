"""One job with the client of openapi-python-client: logs half an hour twice under one key, changes it with If-Match,
reads problems, walks the pages of a list and deletes the entry.
"""

import datetime
import os
import uuid

from aponta_client.api.apontamentos import (
    create_apontamento,
    delete_apontamento,
    get_apontamento,
    list_apontamentos,
    patch_apontamento,
)
from aponta_client.client import AuthenticatedClient
from aponta_client.models import (
    ApontamentoCreate,
    ApontamentoListResponse,
    ApontamentoResponse,
    ApontamentoUpdate,
    Problem,
    ProblemCode,
)
from aponta_client.types import UNSET, Response, Unset

ATIVIDADE = uuid.UUID("01932b5c-7c00-7000-8000-000000000001")


def half_an_hour(day: datetime.date, duracao: str = "00:30") -> ApontamentoCreate:
    return ApontamentoCreate(
        organization_name="contoso",
        project_id="Portal do Contribuinte",
        work_item_id=4711,
        id_atividade=ATIVIDADE,
        data_apontamento=day,
        duracao=duracao,
    )


def new_key() -> str:
    return f'"{uuid.uuid4()}"'


def pages(client: AuthenticatedClient) -> list[uuid.UUID]:
    """The ids of all entries of the caller, in pages of two."""
    ids: list[uuid.UUID] = []
    cursor: str | Unset = UNSET
    while True:
        page = list_apontamentos.sync(client=client, cursor=cursor, limit=2)
        assert isinstance(page, ApontamentoListResponse), page
        ids.extend(entry.id for entry in page.items)
        if page.next_cursor is None:
            return ids
        cursor = page.next_cursor


def job(client: AuthenticatedClient) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    yesterday = today - datetime.timedelta(days=1)
    before = pages(client)

    key = new_key()

    def log() -> tuple[ApontamentoResponse, Response[ApontamentoResponse | Problem]]:
        answer = create_apontamento.sync_detailed(client=client, body=half_an_hour(yesterday), idempotency_key=key)
        assert isinstance(answer.parsed, ApontamentoResponse), answer
        return answer.parsed, answer

    first, _ = log()
    again, answer = log()
    assert again.id == first.id and answer.headers["Idempotency-Replayed"] == "true"
    assert first.duracao_horas == 0.5 and first.data_apontamento == yesterday

    etag = get_apontamento.sync_detailed(first.id, client=client).headers["ETag"]

    def change(duracao: str) -> ApontamentoResponse | Problem | None:
        body = ApontamentoUpdate(duracao=duracao)
        return patch_apontamento.sync(first.id, client=client, body=body, if_match=etag)

    changed = change("00:45")
    assert isinstance(changed, ApontamentoResponse) and changed.duracao == "00:45", changed
    outdated = change("01:00")
    assert isinstance(outdated, Problem) and outdated.status == 412, outdated
    assert outdated.code == ProblemCode.VERSAO_DESATUALIZADA

    invalid = create_apontamento.sync(client=client, body=half_an_hour(yesterday, "25:00"))
    assert isinstance(invalid, Problem) and invalid.status == 422 and invalid.errors, invalid
    assert invalid.code == ProblemCode.DADOS_INVALIDOS and invalid.errors[0].loc[-1] == "duracao"

    after = pages(client)
    assert len(after) == len(before) + 1 and after.count(first.id) == 1
    assert delete_apontamento.sync_detailed(first.id, client=client).status_code == 204
    assert pages(client) == before


with AuthenticatedClient(base_url=os.environ["APONTA_URL"], token=os.environ["APONTA_TOKEN"]) as connected:
    job(connected)
print("python: done")
