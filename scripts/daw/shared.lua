-- Files -------------------------------------------------------------------------------------

local function quantity (value)
	local bytes = string.char (value & 0x7f)
	value = value >> 7
	while value > 0 do
		bytes = string.char (value & 0x7f | 0x80) .. bytes
		value = value >> 7
	end
	return bytes
end

-- events: { tick, rank, bytes }; of one tick those of lower rank come first.
local function chunk (events)
	table.sort (events, function (a, b)
		if a[1] ~= b[1] then return a[1] < b[1] end
		return a[2] < b[2]
	end)
	local parts, now = {}, 0
	for _, event in ipairs (events) do
		parts[#parts + 1] = quantity (event[1] - now) .. event[3]
		now = event[1]
	end
	parts[#parts + 1] = "\0\xff\x2f\0"
	local body = table.concat (parts)
	return string.pack (">c4I4", "MTrk", #body) .. body
end

local function write_file (path, notes, bpm, beats, unit)
	local power = 0
	while 1 << power < unit do power = power + 1 end
	local tempo = string.pack (">I3", math.floor (60000000 / bpm + 0.5))
	local events = {
		{ 0, 0, "\xff\x03\6Melody" },
		{ 0, 0, "\xff\x51\3" .. tempo },
		{ 0, 0, "\xff\x58\4" .. string.char (beats, power, 24, 8) },
	}
	for _, note in ipairs (notes) do
		events[#events + 1] = { note.start, 2, string.char (0x90, note.pitch, note.velocity) }
		events[#events + 1] = { note.start + note.length, 1, string.char (0x80, note.pitch, 0) }
	end
	local file = assert (io.open (path, "wb"))
	file:write (string.pack (">c4I4I2I2I2", "MThd", 6, 0, 1, TICKS), chunk (events))
	file:close ()
end

-- The notes of our own tracks, with their channels.
local function read_file (path)
	local file = assert (io.open (path, "rb"))
	local data = file:read ("a")
	file:close ()
	local found, at = {}, 15
	while at + 8 <= #data + 1 do
		local kind, size, next_at = string.unpack (">c4I4", data, at)
		local last = next_at + size
		local name, now, open, status, i = "", 0, {}, 0, next_at
		local notes = {}
		local function number ()
			local value = 0
			while true do
				local byte = data:byte (i)
				i = i + 1
				value = value << 7 | byte & 0x7f
				if byte < 0x80 then return value end
			end
		end
		while kind == "MTrk" and i < last do
			now = now + number ()
			if data:byte (i) >= 0x80 then
				status = data:byte (i)
				i = i + 1
			end
			if status >= 0xf0 then
				local meta = status == 0xff and data:byte (i) or -1
				i = i + (status == 0xff and 1 or 0)
				local length = number ()
				if meta == 3 then name = data:sub (i, i + length - 1) end
				i = i + length
			else
				local high, channel = status & 0xf0, status & 0x0f
				local pitch, velocity = data:byte (i), data:byte (i + 1)
				i = i + ((high == 0xc0 or high == 0xd0) and 1 or 2)
				local key = channel * 128 + pitch
				if high == 0x90 and velocity > 0 then
					open[key] = { start = now, pitch = pitch, velocity = velocity, channel = channel }
				elseif (high == 0x80 or high == 0x90) and open[key] then
					open[key].length = now - open[key].start
					notes[#notes + 1] = open[key]
					open[key] = nil
				end
			end
		end
		if name == "midi-diffuse" or name:sub (1, 13) == "midi-diffuse " then
			for _, note in ipairs (notes) do found[#found + 1] = note end
		end
		at = last
	end
	return found
end

-- The command -------------------------------------------------------------------------------

local function quoted (path)
	if os.getenv ("COMSPEC") then return '"' .. path .. '"' end -- Windows
	return "'" .. path:gsub ("'", "'\\''") .. "'"
end

local function run (source, target)
	local program = os.getenv ("MIDI_DIFFUSE") or "midi-diffuse"
	local words = { program, command, quoted (source), "-o", quoted (target), options,
		"2>", quoted (target .. ".txt") }
	os.execute (table.concat (words, " "))
	-- What `execute` returns differs from program to program; whether there is a file does not.
	local made = io.open (target, "rb")
	if made then
		made:close ()
		return
	end
	local said = io.open (target .. ".txt")
	local text = said and said:read ("a") or ""
	if said then said:close () end
	for _, path in ipairs ({ source, target .. ".txt" }) do os.remove (path) end
	fail (text ~= "" and text or "the command `" .. program .. "` did not work")
end

-- What midi-diffuse plays to these notes, which begin on a bar line at 0.
local function answer_to (notes, bpm, beats, unit)
	local base = os.tmpname ()
	local source, target = base .. ".mid", base .. "-answer.mid"
	write_file (source, notes, bpm, beats, unit)
	run (source, target)
	local found = read_file (target)
	for _, path in ipairs ({ base, source, target, target .. ".txt" }) do os.remove (path) end
	if #found == 0 then fail ("midi-diffuse plays nothing here; try another --seed") end
	return found
end
