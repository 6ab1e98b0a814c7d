using System.Collections.Concurrent;
using System.Text;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

public class PolicyTests
{
    private static readonly AgentNames s_names = new(["info.Get", "info.Ping", "power.Request"], []);
    private readonly ConcurrentQueue<string> _lines = new();

    [Theory]
    [InlineData("[services]\nallow = [\"infos.*\"]", "p.toml:2: [services] allow: there is no method 'infos.*'; did you mean 'info.*'?")]
    [InlineData("[services]\nallow = [\"power.Requst\"]", "p.toml:2: [services] allow: there is no method 'power.Requst'; did you mean 'power.Request'?")]
    [InlineData("[services]\nalow = []", "p.toml:2: unknown key 'alow' in [services]; did you mean 'allow'?")]
    [InlineData("[servces]\nallow = []", "p.toml:1: unknown table 'servces'; did you mean 'services'?")]
    [InlineData("[files]\nread = \"/\"", "p.toml:2: [files] read: \"/\" is not allowed; allowed is a list of absolute paths")]
    [InlineData("[files]\nread = 7", "p.toml:2: [files] read: 7 is not allowed; allowed is a list of absolute paths")]
    [InlineData("[files]\nread = [\"var\"]", "p.toml:2: [files] read: 'var' is not allowed; allowed is an absolute path")]
    [InlineData("[files]\nwrite = [\"/a/../b\"]", "p.toml:2: [files] write: '/a/../b' is not allowed")]
    [InlineData("[files]\nread = []\n\nread = []", "p.toml:4: [files] read: already set in line 2")]
    [InlineData("[files]\n[files]", "p.toml:2: [files]: already in line 1")]
    [InlineData("[exec]\nprogram = \"/bin/ls\"", "p.toml:1: write [[exec]] with two brackets")]
    [InlineData("[[files]]", "p.toml:1: write [files] with one bracket")]
    [InlineData("[[exec]]\narguments = []", "p.toml:1: [[exec]]: it needs program")]
    [InlineData("[[exec]]\n[[exec]]\nprogram = \"/bin/ls\"", "p.toml:1: [[exec]]: it needs program")]
    [InlineData("[[exec]]\nprogram = \"ls\"", "p.toml:2: [[exec]] program: \"ls\" is not allowed; allowed is an absolute path")]
    [InlineData("[[exec]]\nprogram = \"/bin/ls\"\nprogram = \"/bin/rm\"", "p.toml:3: [[exec]] program: already set in line 2")]
    [InlineData("[[exec]]\nprogram = \"/bin/ls\"\narguments = [\"...\", \"x\"]", "only as its last item")]
    [InlineData("[[exec]]\nprogram = \"/bin/ls\"\nenvironment = \"A\"", "allowed is a list of variables")]
    [InlineData("[[exec]]\nprogram = \"/bin/ls\"\nenvironment = [\"A=b\"]", "allowed is a list of variables")]
    [InlineData("[[exec]]\nprogram = \"/bin/ls\"\nenvironment = [\"*A\"]", "allowed is a list of variables")]
    public void A_mistake_is_told_once_with_its_line_and_what_is_allowed(string text, string message)
    {
        var e = Assert.Throws<ChannelException>(() => Parse(text));

        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void All_mistakes_are_told_together()
    {
        var e = Assert.Throws<ChannelException>(() => Parse("[files]\nred = []\nread = []\nwrit = []"));

        Assert.Equal(["p.toml:2: unknown key 'red' in [files]; did you mean 'read'?", "p.toml:4: unknown key 'writ' in [files]; did you mean 'write'?"],
            e.Message.Split('\n'));
    }

    [Theory]
    [InlineData("x", "x", true)]
    [InlineData("x", "y", false)]
    [InlineData("", "", true)]
    [InlineData("*", "", true)]
    [InlineData("*", "abc", true)]
    [InlineData("*", "a/b", false)]
    [InlineData("**", "a/b", true)]
    [InlineData("**", "-rf", false)]
    [InlineData("*", "--config=x", false)]
    [InlineData("-*", "-n", true)]
    [InlineData("/var/log/*", "/var/log/a", true)]
    [InlineData("/var/log/*", "/var/log/a/b", false)]
    [InlineData("/var/log/**", "/var/log/a/b", true)]
    [InlineData("/var/log/**", "/var/log/../x", false)]
    [InlineData("/var/log/**", "/var/log/..", false)]
    [InlineData("--file=**", "--file=../x", false)]
    [InlineData("/var/log/**", "/var/log/a..b", true)]
    [InlineData("../x", "../x", true)]
    [InlineData("a*b*c", "aXbYc", true)]
    [InlineData("a*b*c", "aXbY", false)]
    [InlineData("a*", "b", false)]
    public void A_pattern_matches_what_it_seems_to(string pattern, string argument, bool matches) =>
        Assert.Equal(matches, ArgumentPattern.Matches(pattern, argument));

    [Fact]
    public void A_pattern_of_many_stars_takes_no_long_time()
    {
        var pattern = string.Concat(Enumerable.Repeat("a*", 500)) + "b";

        Assert.False(ArgumentPattern.Matches(pattern, new string('a', 10_000)));
    }

    [Fact]
    public void A_command_needs_its_program_and_each_argument()
    {
        var policy = Policy("""
            [[exec]]
            program = "/bin/echo"
            arguments = ["a", "..."]
            [[exec]]
            program = "/bin/true"
            """);

        policy.CheckCommand(["/bin/echo", "a"], []);
        policy.CheckCommand(["/bin/echo", "a", "-x", "../secret"], []);
        policy.CheckCommand(["/bin/true"], []);
        Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckCommand(["/bin/echo"], [])));
        Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckCommand(["/bin/true", "x"], [])));
        Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckCommand(["/bin/sh"], [])));
        Assert.Equal(ChannelError.InvalidArgument, CodeOf(() => policy.CheckCommand([], [])));
        Assert.Equal(ChannelError.InvalidArgument, CodeOf(() => policy.CheckCommand(["/bin/../bin/echo", "a"], [])));
        Assert.Equal(ChannelError.InvalidArgument, CodeOf(() => policy.CheckCommand(["/bin/echo", "a\0b"], [])));
    }

    [Fact]
    public void The_record_names_the_program_and_never_its_arguments()
    {
        var policy = Policy("[[exec]]\nprogram = \"/bin/echo\"\narguments = [\"*\"]");
        policy.CheckCommand(["/bin/echo", "hunter2"], []);
        CodeOf(() => policy.CheckCommand(["/bin/sh", "hunter2"], []));

        Assert.Equal(
            [
                "channel-agent: audit: allowed running /bin/echo with 1 arguments",
                "channel-agent: audit: refused running /bin/sh with 1 arguments: the image's policy has no [[exec]] that allows /bin/sh with these arguments",
            ],
            _lines);
    }

    [Fact]
    public void Without_a_file_reading_is_allowed_and_writing_and_commands_are_not()
    {
        var policy = new AgentPolicy(ConfigReader.Load(null, [], s_names, "/nonexistent/agent.toml").Policy, Audit());

        Assert.Equal("/", policy.CheckRead("/etc/passwd"));
        Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckWrite("/tmp/x")));
        Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckCommand(["/bin/true"], [])));
        policy.RequireMethod("power.Request");
    }

    [Theory]
    [InlineData("/srv/data/x", "/srv/data")]
    [InlineData("/srv/data", "/srv/data")]
    [InlineData("/srv/data/in/x", "/srv/data/in")]
    [InlineData("/srv/database", null)]
    [InlineData("/srv", null)]
    [InlineData("/", null)]
    public void A_path_is_allowed_by_the_longest_folder_that_it_lies_in(string path, string? folder)
    {
        var policy = Policy("[files]\nwrite = [\"/srv/data\", \"/srv/data/in\"]");

        if (folder is null)
        {
            Assert.Equal(ChannelError.PermissionDenied, CodeOf(() => policy.CheckWrite(path)));
        }
        else
        {
            Assert.Equal(folder, policy.CheckWrite(path));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("relative")]
    [InlineData("/a/../b")]
    [InlineData("/a/./b")]
    [InlineData("/a//b")]
    [InlineData("/a/")]
    [InlineData("/a\0b")]
    public void A_path_that_does_not_say_where_it_is_is_invalid(string path)
    {
        var policy = Policy("");

        Assert.Equal(ChannelError.InvalidArgument, CodeOf(() => policy.CheckRead(path)));
    }

    [Fact]
    public void A_path_cannot_forge_lines_of_the_record()
    {
        CodeOf(() => Policy("").CheckWrite("/x\nchannel-agent: audit: allowed"));

        Assert.Contains(@"refused writing /x\u000achannel-agent", Assert.Single(_lines), StringComparison.Ordinal);
    }

    [Fact]
    public void No_log_level_leaves_the_record_out()
    {
        var log = new AgentLog(_lines.Enqueue, TimeProvider.System, withTime: false) { Level = LogLevel.Error, Rate = 100 };
        new AuditLog(log).Privileged("power.Request");

        Assert.Single(_lines);
    }

    private static PolicyRules Parse(string text) => ConfigReader.Parse(Encoding.UTF8.GetBytes(text), "p.toml", new AgentConfig(), s_names).Policy;

    private static ChannelError CodeOf(Action action) => Assert.Throws<ChannelException>(action).Code;

    private AgentPolicy Policy(string text) => new(Parse(text), Audit());

    private AuditLog Audit() => new(new AgentLog(_lines.Enqueue, TimeProvider.System, withTime: false) { Rate = 1000 });
}
