-- A restore of either database is noticed before hours are written.

ALTER TABLE write_back
    -- The last writes, the newest first: [revision, CompletedWork or null, contribuicao, considerado, descontado].
    ADD COLUMN escritas jsonb NOT NULL DEFAULT '[]',
    -- Since when Azure DevOps shows a revision below rev_escrita.
    ADD COLUMN atras_desde timestamptz,
    -- Our database was restored: nothing is written until the figure was compared.
    ADD COLUMN conferir boolean NOT NULL DEFAULT false;

CREATE INDEX write_back_conferir_idx ON write_back (organizacao) WHERE conferir;

-- A key names its entry; the text of the first answer is written by releases before this one.
ALTER TABLE idempotencia ADD COLUMN apontamento_id uuid;
ALTER TABLE idempotencia ALTER COLUMN resposta DROP NOT NULL;
