using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

public class ArgumentParserTests
{
    [Fact]
    public void Run_is_the_default_and_flags_take_values_in_both_forms()
    {
        var parsed = ArgumentParser.Parse(["--endpoint", "unix:///x", "--log-level=debug", "--config", "c.conf"]);

        Assert.Equal(AgentCommand.Run, parsed.Command);
        Assert.Equal("c.conf", parsed.ConfigFile);
        Assert.Equal("unix:///x", parsed.Overrides["endpoint"]);
        Assert.Equal("debug", parsed.Overrides["log_level"]);
    }

    [Theory]
    [InlineData("run", AgentCommand.Run)]
    [InlineData("status", AgentCommand.Status)]
    [InlineData("generation", AgentCommand.Generation)]
    [InlineData("version", AgentCommand.Version)]
    [InlineData("help", AgentCommand.Help)]
    [InlineData("--version", AgentCommand.Version)]
    [InlineData("--help", AgentCommand.Help)]
    [InlineData("-h", AgentCommand.Help)]
    public void The_sub_commands_are_known(string word, object command)
    {
        Assert.Equal((AgentCommand)command, ArgumentParser.Parse([word]).Command);
    }

    [Fact]
    public void Help_of_a_sub_command_wins_over_the_options_before_it()
    {
        Assert.Equal(AgentCommand.Help, ArgumentParser.Parse(["status", "--json", "--help"]).Command);
    }

    [Fact]
    public void Status_takes_json_and_the_socket()
    {
        var parsed = ArgumentParser.Parse(["status", "--json", "--control-socket", "/run/x"]);

        Assert.True(parsed.Json);
        Assert.Equal("/run/x", parsed.Overrides["control_socket"]);
    }

    [Theory]
    [InlineData("'run' starts the daemon; commands are run, status, generation, version, help, sysprep")]
    [InlineData("'stauts' is not a command; did you mean 'status'?", "stauts")]
    [InlineData("'frobnicate' is not a command; allowed are run, status, generation, version, help, sysprep", "frobnicate")]
    [InlineData("'--endpiont' is not a flag of run; did you mean '--endpoint'?", "run", "--endpiont", "x")]
    [InlineData("'--json' is not a flag of run;", "--json")]
    [InlineData("'--endpoint' is not a flag of status;", "status", "--endpoint", "x")]
    [InlineData("'now' is not understood: run takes flags only", "run", "now")]
    [InlineData("--config needs a value", "run", "--config")]
    [InlineData("--config needs a value that is not empty", "run", "--config=")]
    [InlineData("--config is given twice", "run", "--config", "a", "--config", "b")]
    [InlineData("--log-level is given twice", "run", "--log-level", "info", "--log-level", "info")]
    [InlineData("--json takes no value", "status", "--json=yes")]
    [InlineData(@"'\u001b[2J' is not a command", "\u001b[2J")]
    public void A_mistake_is_told_with_what_is_allowed(string message, params string[] arguments)
    {
        var e = Assert.Throws<ChannelException>(() => ArgumentParser.Parse(arguments));

        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.StartsWith(message, e.Message, StringComparison.Ordinal);
    }
}
