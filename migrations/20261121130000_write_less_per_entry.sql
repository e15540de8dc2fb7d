-- Entries are changed, and the minutes of a day counted, within columns that no index holds. Room left in a page lets PostgreSQL write the
-- new version beside the old one (HOT) instead of adding it to every index.
ALTER TABLE apontamentos SET (fillfactor = 90);
ALTER TABLE minutos_do_dia SET (fillfactor = 80);

-- As before; but where one day is concerned, as almost always, it is one row that is written: the statement for two days takes twice
-- as long.
CREATE OR REPLACE FUNCTION apontamentos_count_minutos() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (OLD.organizacao, OLD.usuario_id, OLD.data_apontamento)
                                              = (NEW.organizacao, NEW.usuario_id, NEW.data_apontamento) THEN
        INSERT INTO minutos_do_dia AS dia (organizacao, usuario_id, data, minutos)
        VALUES (NEW.organizacao, NEW.usuario_id, NEW.data_apontamento,
                NEW.minutos - CASE TG_OP WHEN 'UPDATE' THEN OLD.minutos ELSE 0 END)
        ON CONFLICT ON CONSTRAINT minutos_do_dia_pkey DO UPDATE SET minutos = dia.minutos + excluded.minutos;
        RETURN NULL;
    END IF;
    -- In the order of the days: two entries that change places must not lock each other out.
    INSERT INTO minutos_do_dia AS dia (organizacao, usuario_id, data, minutos)
    SELECT mudanca.organizacao, mudanca.usuario_id, mudanca.data, sum(mudanca.minutos)
      FROM (SELECT OLD.organizacao AS organizacao, OLD.usuario_id AS usuario_id, OLD.data_apontamento AS data,
                   -OLD.minutos AS minutos
            UNION ALL
            SELECT NEW.organizacao, NEW.usuario_id, NEW.data_apontamento, NEW.minutos WHERE TG_OP = 'UPDATE') AS mudanca
     GROUP BY mudanca.organizacao, mudanca.usuario_id, mudanca.data
     ORDER BY mudanca.organizacao, mudanca.usuario_id, mudanca.data
    ON CONFLICT ON CONSTRAINT minutos_do_dia_pkey DO UPDATE SET minutos = dia.minutos + excluded.minutos;
    RETURN NULL;
END
$$;
