-- Noise on one bus, through the plugin on a second one and past it on a third one; both are exported
-- side by side, left and right. For ardour7-lua; the environment says where (OUT) and how (PRESET).

local function check(what, holds)
	if not holds then
		io.stderr:write("failed: " .. what .. "\n")
		os.exit(1)
	end
end

check("audio engine", not AudioEngine:set_backend("None (Dummy)", "Unit-Test", ""):isnil())
local out = os.getenv("OUT")
local session = create_session(out .. "/session", "null", 48000)
check("session", session)

local function bus(name)
	local flag, order = ARDOUR.PresentationInfo.Flag.AudioBus, ARDOUR.PresentationInfo.max_order
	return session:new_audio_route(2, 2, nil, 1, name, flag, order):front()
end

local source, wet, dry = bus("source"), bus("wet"), bus("dry")
-- New busses are connected by another thread, some time later.
ARDOUR.LuaAPI.usleep(1000000)
for _, route in pairs({ source, wet, dry }) do
	route:output():disconnect_all(nil)
	route:input():disconnect_all(nil)
end

local function add(route, processor)
	check("processor", not processor:isnil())
	check("insertion", route:add_processor_by_index(processor, 0, nil, true) == 0)
end

local plugin = ARDOUR.LuaAPI.new_plugin(session, "Uncodec", ARDOUR.PluginType.VST3, "")
add(source, ARDOUR.LuaAPI.new_luaproc(session, "ACE Noise"))
add(wet, plugin)

local function connect(from, channel, to, into)
	local port = to:input():audio(into):name()
	check("connection", from:output():audio(channel):connect(port) == 0)
end

for channel = 0, 1 do
	connect(source, channel, wet, channel)
	connect(source, channel, dry, channel)
end
connect(wet, 0, session:master_out(), 0)
connect(dry, 0, session:master_out(), 1)
ARDOUR.LuaAPI.usleep(1000000)
io.stderr:write("signal_latency=" .. plugin:signal_latency() .. "\n")

local export = session:simple_export()
check("preset", export:set_preset(os.getenv("PRESET")))
export:set_folder(out)
export:set_name("out")
export:set_range(0, 480000)
check("outputs", export:check_outputs())
check("export", export:run_export())
export = nil
session = nil
collectgarbage()
close_session()
quit()
