-- Which state of the activities a list was read from: replicas of the service keep lists and only ask whether they still hold. The value
-- is random, so that no state of a restored database is taken for another one.
CREATE TABLE atividades_versao (
    unica boolean NOT NULL DEFAULT true,
    versao uuid NOT NULL DEFAULT gen_random_uuid(),
    CONSTRAINT atividades_versao_pkey PRIMARY KEY (unica),
    CONSTRAINT atividades_versao_unica_check CHECK (unica)
);
INSERT INTO atividades_versao DEFAULT VALUES;

-- Once a transaction, however much it changes: the row that it has written bears its number. People who write by hand have not our
-- search_path.
CREATE FUNCTION atividades_note_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE atividades_versao SET versao = gen_random_uuid() WHERE xmin <> pg_current_xact_id()::xid;
    RETURN NULL;
END
$$;

-- Deferred: the one row that all writers share is locked last and for an instant, so they neither wait for each other nor lock each
-- other out.
CREATE CONSTRAINT TRIGGER atividades_note_change
    AFTER INSERT OR UPDATE OR DELETE ON atividades
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION atividades_note_change();
CREATE CONSTRAINT TRIGGER atividade_projeto_note_change
    AFTER INSERT OR UPDATE OR DELETE ON atividade_projeto
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION atividades_note_change();
-- A project that comes has no activity yet; one that goes takes its links along. Each synchronisation writes all projects.
CREATE CONSTRAINT TRIGGER projetos_note_change_of_atividades
    AFTER UPDATE ON projetos
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (
        (OLD.id, OLD.external_id, OLD.nome, OLD.organizacao) IS DISTINCT FROM (NEW.id, NEW.external_id, NEW.nome, NEW.organizacao)
    )
    EXECUTE FUNCTION atividades_note_change();
-- No row tells of these.
CREATE TRIGGER atividades_note_truncate
    AFTER TRUNCATE ON atividades
    FOR EACH STATEMENT EXECUTE FUNCTION atividades_note_change();
CREATE TRIGGER atividade_projeto_note_truncate
    AFTER TRUNCATE ON atividade_projeto
    FOR EACH STATEMENT EXECUTE FUNCTION atividades_note_change();

-- At once, not with the grants that follow all migrations: releases that know nothing of this go on writing activities.
DO $$
BEGIN
    EXECUTE format('GRANT SELECT, UPDATE ON atividades_versao TO %I, %I',
        current_schema() || '_app', current_schema() || '_maintenance');
END
$$;
