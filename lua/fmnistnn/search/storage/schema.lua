--- Optuna's tables (its schema 12, the same from 3.1 to 5): made in an empty database, recognized in one that is not.
local schema = {}

-- In the order of making; $words differ between databases.
local tables = {
  {"studies", [[
    study_id $id, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id)]]},
  {"version_info", [[
    version_info_id $id, schema_version INTEGER, library_version VARCHAR(256), PRIMARY KEY (version_info_id),
    CHECK (version_info_id=1)]]},
  {"study_directions", [[
    study_direction_id $id, direction $direction NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL,
    PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective),
    FOREIGN KEY(study_id) REFERENCES studies (study_id)]]},
  {"study_user_attributes", [[
    study_user_attribute_id $id, study_id INTEGER, "key" VARCHAR(512), value_json TEXT,
    PRIMARY KEY (study_user_attribute_id), UNIQUE (study_id, "key"),
    FOREIGN KEY(study_id) REFERENCES studies (study_id)]]},
  {"study_system_attributes", [[
    study_system_attribute_id $id, study_id INTEGER, "key" VARCHAR(512), value_json TEXT,
    PRIMARY KEY (study_system_attribute_id), UNIQUE (study_id, "key"),
    FOREIGN KEY(study_id) REFERENCES studies (study_id)]]},
  {"trials", [[
    trial_id $id, number INTEGER, study_id INTEGER, state $state NOT NULL, datetime_start $time,
    datetime_complete $time, PRIMARY KEY (trial_id), FOREIGN KEY(study_id) REFERENCES studies (study_id)]]},
  {"trial_user_attributes", [[
    trial_user_attribute_id $id, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT,
    PRIMARY KEY (trial_user_attribute_id), UNIQUE (trial_id, "key"),
    FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"trial_system_attributes", [[
    trial_system_attribute_id $id, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT,
    PRIMARY KEY (trial_system_attribute_id), UNIQUE (trial_id, "key"),
    FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"trial_params", [[
    param_id $id, trial_id INTEGER, param_name VARCHAR(512), param_value $float, distribution_json TEXT,
    PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"trial_values", [[
    trial_value_id $id, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value $float,
    value_type $value NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective),
    FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"trial_intermediate_values", [[
    trial_intermediate_value_id $id, trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value $float,
    intermediate_value_type $intermediate NOT NULL, PRIMARY KEY (trial_intermediate_value_id),
    UNIQUE (trial_id, step), FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"trial_heartbeats", [[
    trial_heartbeat_id $id, trial_id INTEGER NOT NULL, heartbeat $time NOT NULL, PRIMARY KEY (trial_heartbeat_id),
    UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id)]]},
  {"alembic_version", [[
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)]]},
}

--- Optuna's enumerations, in PostgreSQL's order.
schema.enums = {
  {"studydirection", "direction", {"NOT_SET", "MINIMIZE", "MAXIMIZE"}},
  {"trialstate", "state", {"RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"}},
  {"trialvaluetype", "value", {"FINITE", "INF_POS", "INF_NEG"}},
  {"trialintermediatevaluetype", "intermediate", {"FINITE", "INF_POS", "INF_NEG", "NAN"}},
}

-- What the version of Optuna that is to open the database without asking expects.
local stamps = {["3.1"] = "v3.0.0.d", ["5"] = "v3.2.0.a"}

--- The versions of Optuna that a new database can be made for: "5" (3.2 and newer), "3.1", or "any", which leaves
-- it to the first Optuna that opens it.
schema.versions = {["5"] = true, ["3.1"] = true, any = true}

--- The statements that make the tables, with the database's own words for $id, $time ...
function schema.statements(words, version, library)
  local list = {}
  for _, entry in ipairs(tables) do
    local columns = entry[2]:gsub("%s+", " "):gsub("$(%a+)", words)
    list[#list + 1] = ("CREATE TABLE %s (%s)"):format(entry[1], columns)
  end
  list[#list + 1] = "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)"
  if version ~= "3.1" then list[#list + 1] = "CREATE INDEX ix_trials_study_id ON trials (study_id)" end
  if stamps[version] then
    list[#list + 1] = "INSERT INTO version_info (version_info_id, schema_version, library_version) "
      .. ("VALUES (1, 12, '%s')"):format(library)
    list[#list + 1] = ("INSERT INTO alembic_version (version_num) VALUES ('%s')"):format(stamps[version])
  end
  return list
end

local function columns_of(definition)
  local names = {}
  for name in ("," .. definition):gsub("%b()", ""):gmatch(",%s*\"?([%l_]+)\"? ") do names[#names + 1] = name end
  return names
end

--- What a database holds: found[table][column] = true. Returns "empty", "ours", or nil and why it is refused.
function schema.recognize(found)
  if not next(found) then return "empty" end
  if not found.studies or not found.trials then
    return nil, "holds other tables than those of a search; give it a database of its own"
  end
  for _, entry in ipairs(tables) do
    for _, column in ipairs(columns_of(entry[2])) do
      if not (found[entry[1]] or {})[column] then
        local text = "has no %s.%s: it was made by something else, or by an older Optuna, which its program upgrades"
        return nil, text:format(entry[1], column)
      end
    end
  end
  return "ours"
end

--- Whether what the two tables of versions say can be read and written; nil and why not.
function schema.check_versions(number, stamp)
  if number and number < 12 then
    return nil, "was made by an older Optuna, whose program upgrades it: optuna storage upgrade"
  end
  local known = stamp == nil or stamp == "v3.0.0.d" or stamp == "v3.2.0.a"
  if number and number > 12 or not known then
    return nil, ("was made by a newer Optuna (schema %s, %s), which this version does not know"):format(number, stamp)
  end
  return true
end

return schema
