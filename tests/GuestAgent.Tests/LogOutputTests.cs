using System.IO.Pipes;
using System.Text;
using ChannelSdk.GuestAgent.Logging;

namespace ChannelSdk.GuestAgent.Tests;

public sealed class LogOutputTests
{
    [Fact]
    public void A_reader_that_stands_still_holds_up_no_line_and_is_told_what_it_missed()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        using var writer = new AnonymousPipeClientStream(PipeDirection.Out, pipe.ClientSafePipeHandle);
        var output = new LogOutput((int)writer.SafePipeHandle.DangerousGetHandle());
        string line = new('x', 999);
        var thread = new Thread(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                output.Write(line);
            }
        });
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(30)), "a line waits for its reader");

        var buffer = new byte[1 << 20];
        var kept = pipe.ReadAtLeast(buffer, 60_000);
        output.Write("after");
        writer.Dispose();
        var rest = pipe.ReadAtLeast(buffer.AsSpan(kept), buffer.Length - kept, throwOnEndOfStream: false);
        var lines = Encoding.UTF8.GetString(buffer, 0, kept + rest).Split('\n');
        var whole = lines.Count(text => text == line);
        Assert.Equal($"channel-agent: warning: {1000 - whole} log lines are lost: the reader did not take those before them", lines[whole]);
        Assert.Equal(["after", ""], lines[(whole + 1)..]);
    }
}
