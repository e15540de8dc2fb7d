#!/usr/bin/env bash
# Three replicas behind nginx under the seed's mix (grid 40 %, item list 20 %, create 20 %, update 10 %, summary 10 %) while one is
# killed (-9) and restarted, nginx reloads, and all replicas are rolled by SIGTERM. Prints p50, p95, p99 and errors of each operation; exit 1
# if a p95 reaches 50 ms, a request fails or the rate is not kept.
#
# Open model over TLS: times count from when a request was due. 300 people of 5 requests/s at 1,500/s, each with an address of their own
# that the client names as an edge of Cloudflare would, so that the limits of nginx and the service stay as in production. Authentication and
# write-back are off (Azure DevOps' time is not ours); the list of activities stands for the grid. As real clients do, a POST that a
# killed replica left unanswered is sent again under its Idempotency-Key, and a request whose kept connection had closed goes over another
# one; both are counted apart.
#
# Usage: benches/http/replicas.sh [SECONDS] [RATE]      (needs nginx, psql, curl, openssl, python3)
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-120} rate=${2:-1500}
export PATH=$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1
. benches/http/common.sh nginx psql curl openssl python3

sql <<'SQL'
CREATE TEMPORARY TABLE org AS
    SELECT n, format('org%s', lpad(n::text, 2, '0')) AS nome, gen_random_uuid() AS projeto, gen_random_uuid() AS atividade
      FROM generate_series(0, 49) n;
INSERT INTO projetos (id, external_id, nome, organizacao) SELECT projeto, projeto, 'Projeto ' || nome, nome FROM org;
INSERT INTO atividades (id, nome) SELECT atividade, 'Codificação ' || nome FROM org;
INSERT INTO atividade_projeto (id_atividade, id_projeto) SELECT atividade, projeto FROM org;
INSERT INTO write_back (organizacao, work_item_id, id_projeto, versao_escrita, estado)
    SELECT org.nome, item, org.projeto, 1, 'sincronizado' FROM org, generate_series(1, 400) item;
INSERT INTO apontamentos (id, organizacao, id_projeto, work_item_id, data_apontamento, minutos, id_atividade, usuario_id,
                          usuario_nome, versao_escrita, criado_em)
    SELECT gen_random_uuid(), org.nome, org.projeto, 1 + (k * 7 + person) % 400, '2026-01-01'::date + k, 15 + 15 * (k % 8),
           org.atividade, format('00000000-0000-4000-8000-%s', lpad((org.n * 40 + person)::text, 12, '0')),
           'Pessoa ' || person, 1, timestamptz '2026-01-01' + k * interval '1 day'
      FROM org, generate_series(0, 39) person, generate_series(0, 99) k;
VACUUM ANALYZE;
SQL
sql >"$work/data.json" <<'SQL'
SELECT json_build_object(
    'projeto', (SELECT id FROM projetos WHERE organizacao = 'org00'),
    'projeto_2', (SELECT id FROM projetos WHERE organizacao = 'org02'),
    'atividade', (SELECT id FROM atividades WHERE nome LIKE '% org02'),
    'entries', (SELECT json_agg(id) FROM apontamentos WHERE organizacao = 'org01'),
    'days', (SELECT json_agg(d::date) FROM generate_series('2025-01-01'::date, '2025-10-27', '1 day') d));
SQL
echo "$(sql -c 'SELECT count(*) FROM apontamentos') entries; $rate requests/s for $seconds s through $(nginx -v 2>&1), 3 replicas, one PostgreSQL, $(nproc) cores"
python3 nginx/tests/rolling.py "$seconds" "$rate" "$work" "$PWD/$aponta" "$url" "$work/data.json"
