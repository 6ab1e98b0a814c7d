using ChannelSdk.Linux.Processes;

namespace ChannelSdk.GuestAgent.Tests;

[Trait(Lane.Name, Lane.Integration)]
public class ChildProcessTests
{
    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 7", 7)]
    [InlineData("kill -9 $$", 128 + 9)]
    // Signals that this process ignores or blocks are as usual for the program: SIGPIPE ends it.
    [InlineData("kill -PIPE $$; exit 3", 128 + 13)]
    [InlineData("test -z \"$HOME\" && test \"$(readlink /proc/self/fd/0)\" = /dev/null", 0)]
    [InlineData("test \"$1\" = 'two words' && test \"$2\" = 'ü'", 0)]
    public async Task A_program_runs_to_its_end_and_gives_its_exit_code(string script, int exitCode)
    {
        Assert.Equal(exitCode, await ChildProcess.RunAsync("/bin/sh", "-c", script, "name", "two words", "ü"));
    }

    [Fact]
    public async Task A_program_that_is_missing_gives_126()
    {
        Assert.Equal(126, await ChildProcess.RunAsync("/nonexistent/program"));
    }
}
