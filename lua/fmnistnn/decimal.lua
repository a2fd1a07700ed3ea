--- decimal(format, ...): numbers by a format of string.format, with points also where the locale has a decimal comma.
-- The format has no comma of its own.
return function(format, ...) return (format:format(...):gsub(",", ".")) end
