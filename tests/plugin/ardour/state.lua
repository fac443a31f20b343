-- A session with the plugin is saved and loaded again; prints the plugin's first two parameters
-- as the host reads them, before and after. For ardour7-lua; the environment says where (OUT).

local function check(what, holds)
	if not holds then
		io.stderr:write("failed: " .. what .. "\n")
		os.exit(1)
	end
end

check("audio engine", not AudioEngine:set_backend("None (Dummy)", "Unit-Test", ""):isnil())
local folder = os.getenv("OUT") .. "/session"

local function show(when, processor)
	local amount = ARDOUR.LuaAPI.get_processor_param(processor, 0, true)
	local bypass = ARDOUR.LuaAPI.get_processor_param(processor, 1, true)
	io.stderr:write(string.format("%s amount=%.3f bypass=%.0f\n", when, amount, bypass))
end

local session = create_session(folder, "state", 48000)
check("session", session)
local flag, order = ARDOUR.PresentationInfo.Flag.AudioBus, ARDOUR.PresentationInfo.max_order
local bus = session:new_audio_route(2, 2, nil, 1, "bus", flag, order):front()
local plugin = ARDOUR.LuaAPI.new_plugin(session, "Uncodec", ARDOUR.PluginType.VST3, "")
check("processor", not plugin:isnil())
check("insertion", bus:add_processor_by_index(plugin, 0, nil, true) == 0)
check("amount", ARDOUR.LuaAPI.set_processor_param(plugin, 0, 0.25))
check("bypass", ARDOUR.LuaAPI.set_processor_param(plugin, 1, 1))
ARDOUR.LuaAPI.usleep(500000)
show("before", plugin)
check("save", session:save_state("") == 0)
bus, plugin, session = nil, nil, nil
collectgarbage()
close_session()

session = load_session(folder, "state")
check("loading", session)
plugin = session:route_by_name("bus"):nth_plugin(0)
check("plugin", not plugin:isnil())
ARDOUR.LuaAPI.usleep(500000)
show("after", plugin)
plugin, session = nil, nil
collectgarbage()
close_session()
quit()
