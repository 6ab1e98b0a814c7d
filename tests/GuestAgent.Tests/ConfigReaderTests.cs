using System.Text;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

public class ConfigReaderTests
{
    private static readonly AgentNames s_names = new(["info.Get", "info.Ping", "power.Request"], ["guest-ping", "guest-exec"]);

    public static TheoryData<string, string> Keys
    {
        get
        {
            var keys = new TheoryData<string, string>();
            foreach (var table in ConfigKeys.All(s_names).Tables)
            {
                foreach (var key in table.Keys)
                {
                    keys.Add(table.Name, key.Name);
                }
            }

            return keys;
        }
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void Each_key_takes_what_it_allows_and_tells_of_anything_else_its_place_and_what_is_allowed(string table, string key)
    {
        var known = ConfigKeyCases.All[(table, key)];
        Assert.False(known.Is(new AgentConfig()));

        Assert.True(known.Is(Parse(FileOf(table, key, known.Good))));
        Assert.NotEmpty(known.Bad);
        foreach (var bad in known.Bad)
        {
            var text = FileOf(table, key, bad);
            var message = ErrorOf(text);
            var head = table switch { "" => "", "exec" => "[[exec]] ", _ => $"[{table}] " };
            Assert.StartsWith($"agent.toml:{Array.FindIndex(text.Split('\n'), line => line.StartsWith($"{key} =", StringComparison.Ordinal)) + 1}: {head}{key}: ", message, StringComparison.Ordinal);
            Assert.Matches("allowed is|did you mean|unix:///run/channel.sock|known are", message);
            Assert.DoesNotContain(message, char.IsControl);
        }
    }

    [Fact]
    public void The_packaged_file_names_every_key_and_holds_the_defaults()
    {
        var config = Parse(Packaged, names: null);

        var (defaults, rules) = (new AgentConfig(), config.Policy);
        Assert.Equal(defaults with { Policy = rules, QgaCommands = config.QgaCommands }, config);
        Assert.Equal((defaults.Policy.AllowPower, defaults.Policy.AllowMeasure, defaults.Policy.AllowInstall), (rules.AllowPower, rules.AllowMeasure, rules.AllowInstall));
        Assert.Equal(defaults.Policy.AllowedMethods, rules.AllowedMethods);
        Assert.Equal(defaults.Policy.DeniedMethods, rules.DeniedMethods);
        Assert.Equal(defaults.Policy.Readable, rules.Readable);
        Assert.Equal(defaults.Policy.Writable, rules.Writable);
        Assert.Empty(rules.Commands);
        Assert.Equal(defaults.QgaCommands.Allowed, config.QgaCommands.Allowed);
        Assert.Empty(config.QgaCommands.Denied);
        foreach (var table in ConfigKeys.All(null).Tables)
        {
            var lead = table.IsRepeated ? "# " : "";
            var start = Packaged.IndexOf($"\n{lead}{table.Head}", StringComparison.Ordinal);
            Assert.True(start >= 0, table.Head);
            Assert.All(table.Keys, key => Assert.Contains($"\n{lead}{key.Name} = ", Packaged[start..], StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_examples_in_the_packaged_file_are_right_once_the_comment_sign_is_gone()
    {
        var start = Packaged.IndexOf("# [[exec]]", StringComparison.Ordinal);
        var rules = Parse(Packaged[..start] + Packaged[start..].Replace("# ", "", StringComparison.Ordinal).Replace("#", "", StringComparison.Ordinal), names: null).Policy;

        Assert.True(rules.AllowsCommand(["/usr/bin/tail", "-n", "5", "/var/log/syslog"]));
        Assert.False(rules.AllowsCommand(["/usr/bin/tail", "-n", "5", "/var/log/../shadow"]));
        Assert.Equal(3, rules.Commands.Count);
    }

    [Theory]
    [InlineData("heartbeat = '5s'", "did you mean 'heartbeat_interval'?")]
    [InlineData("end-point = 'unix:///x'", "did you mean 'endpoint'?")]
    [InlineData("LogLevel = 'info'", "did you mean [log] level?")]
    [InlineData("log_level = 'info'", "did you mean [log] level?")]
    [InlineData("powr = false", "did you mean [permissions] power?")]
    [InlineData("freeze_hook_timeout = '1s'", "did you mean [freeze] hook_timeout?")]
    [InlineData("program = '/bin/ls'", "did you mean [[exec]] program?")]
    [InlineData("colour = 'red'", "known are endpoint, heartbeat_interval, control_socket")]
    public void An_unknown_key_is_an_error_and_the_nearest_key_is_suggested(string line, string hint)
    {
        var message = ErrorOf(line);

        Assert.StartsWith("agent.toml:1: unknown key '", message, StringComparison.Ordinal);
        Assert.Contains(hint, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_or_a_table_that_is_there_twice_names_the_first_line()
    {
        Assert.Equal("agent.toml:3: endpoint: already set in line 1; keep one of the two", ErrorOf("endpoint = 'auto'\n\nendpoint = 'auto'\n"));
        Assert.Equal("agent.toml:3: [log]: already in line 1; keep one of the two", ErrorOf("[log]\n[files]\n[log]\nrate = 1\n"));
    }

    [Fact]
    public void All_mistakes_in_a_file_are_told_at_once_up_to_a_bound()
    {
        Assert.Equal(3, ErrorOf("a = 1\n[permissions]\npower = 'deny'\n[nothing]\nb = 2\n[files]\nread = ['/']").Split('\n').Length);
        var many = ErrorOf(string.Concat(Enumerable.Range(0, 500).Select(static i => $"x{i} = 1\n"))).Split('\n');
        Assert.Equal(11, many.Length);
        Assert.Equal("agent.toml: 490 more mistakes", many[^1]);
    }

    [Fact]
    public void A_long_line_of_garbage_is_cut_in_the_message() => Assert.True(ErrorOf("a = " + new string('x', 60_000)).Length < 300);

    [Fact]
    public void A_named_file_that_is_missing_is_an_error()
    {
        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load("/nonexistent/agent.toml", [], s_names));

        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.StartsWith("/nonexistent/agent.toml: no such file", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_too_long_is_refused()
    {
        using var file = new TemporaryFile(new string('#', 70_000));

        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(file.Path, [], s_names));

        Assert.Contains("longer than 65536 bytes", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_in_the_place_of_the_file_is_called_a_folder_and_is_no_missing_file(bool isNamed)
    {
        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(isNamed ? "/proc" : null, [], s_names, "/proc"));

        Assert.StartsWith("/proc: cannot be read: Is a directory", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("agent.conf")]
    [InlineData("policy.toml")]
    [InlineData("agent.conf", "policy.toml")]
    public void A_file_of_the_old_names_beside_no_new_one_refuses_the_start_in_one_line(params string[] names)
    {
        var folder = Directory.CreateTempSubdirectory("agent-test-").FullName;
        try
        {
            Assert.Equal("", ConfigReader.Load(null, [], s_names, $"{folder}/agent.toml").SourceFile);
            foreach (var name in names)
            {
                File.WriteAllText($"{folder}/{name}", "");
            }

            var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(null, [], s_names, $"{folder}/agent.toml"));

            Assert.Equal((ChannelError.BadConfiguration, ErrorClass.Refused), (e.Code, e.Class));
            Assert.StartsWith($"{string.Join(" and ", names.Select(name => $"{folder}/{name}"))}: ", e.Message, StringComparison.Ordinal);
            Assert.Contains($"read from {folder}/agent.toml, which is missing", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);

            File.WriteAllText($"{folder}/agent.toml", "[permissions]\npower = false\n");
            Assert.False(ConfigReader.Load(null, [], s_names, $"{folder}/agent.toml").Policy.AllowPower);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Flags_go_before_the_file()
    {
        using var file = new TemporaryFile("[log]\nlevel = 'error'\n[permissions]\npower = false\n");

        var config = ConfigReader.Load(file.Path, [new("log_level", "debug"), new("endpoint", "unix:///x")], s_names);

        Assert.Equal((LogLevel.Debug, "unix:///x"), (config.LogLevel, config.Endpoint));
        Assert.False(config.Policy.AllowPower);
        Assert.Equal(file.Path, config.SourceFile);
    }

    [Fact]
    public void A_wrong_flag_value_names_the_flag()
    {
        using var file = new TemporaryFile("");

        var e = Assert.Throws<ChannelException>(() => ConfigReader.Load(file.Path, [new("log_level", "loud")], s_names));

        Assert.Equal("--log-level: [log] level: \"loud\" is not allowed; allowed is \"error\", \"warning\", \"info\" or \"debug\"", e.Message);
    }

    [Fact]
    public void A_socket_path_may_have_107_bytes()
    {
        var longest = "/" + new string('s', 106);

        Assert.Equal(longest, Parse($"control_socket = '{longest}'").ControlSocket);
    }

    private static string Packaged { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "packaging", "agent.toml"));

    private static string FileOf(string table, string key, string value) => table switch
    {
        "" => $"# first\n{key} = {value}\n",
        "exec" => $"# first\n[[exec]]\n{(key == "program" ? "" : "program = \"/bin/ls\"\n")}{key} = {value}\n",
        _ => $"# first\n[{table}]\n{key} = {value}\n",
    };

    private static AgentConfig Parse(string text) => Parse(text, s_names);

    private static AgentConfig Parse(string text, AgentNames? names) => ConfigReader.Parse(Encoding.UTF8.GetBytes(text), "agent.toml", new AgentConfig(), names);

    private static string ErrorOf(string text)
    {
        var e = Assert.Throws<ChannelException>(() => Parse(text));
        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.Equal(ErrorClass.Refused, e.Class);
        return e.Message;
    }
}
