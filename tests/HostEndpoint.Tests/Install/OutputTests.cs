using System.Text;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Operations;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.HostEndpoint.Tests.Install;

public class OutputTests
{
    private static Redactor NewRedactor(params string[] values) =>
        new(values.Select((v, i) => new OperationParameter($"p{i}", ParameterClass.Private, Encoding.UTF8.GetBytes(v))));

    private static List<string> Lines(Redactor redactor, long budget, params string[] pieces)
    {
        var lines = new List<string>();
        var output = new OutputLines(redactor, budget, lines.Add);
        foreach (var piece in pieces)
        {
            output.Add(Encoding.Latin1.GetBytes(piece));
        }

        output.End();
        return lines;
    }

    [Fact]
    public void Output_is_cut_into_lines_however_it_comes() =>
        Assert.Equal(["one", "two", "three"], Lines(NewRedactor(), 1000, "on", "e\ntw", "o\r\n", "\n\nthree"));

    [Fact]
    public void Noise_is_shown_escaped() => Assert.Equal(["\\u001b[2J\\u0000\uFFFD"], Lines(NewRedactor(), 1000, "\u001b[2J\0\u00ff\n"));

    [Fact]
    public void A_line_without_an_end_is_cut_and_more_than_the_budget_is_dropped()
    {
        var lines = Lines(NewRedactor(), 10_000, new string('x', 100_000));
        Assert.Equal([4096, 4096], lines[..2].Select(l => l.Length));
        Assert.Contains("more than 10000 bytes", lines[2]);
        Assert.Equal(3, lines.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4080)]
    [InlineData(4090)]
    [InlineData(4096)]
    [InlineData(8189)]
    public void A_value_is_found_wherever_it_lies(int at)
    {
        var lines = Lines(NewRedactor("MARKED-VALUE", "MARKED"), 100_000, new string('x', at) + "MARK", "ED-VALUE MARKED\n");
        Assert.DoesNotContain("MARK", string.Concat(lines));
        Assert.Equal(at + 19, string.Concat(lines).Length);
        Assert.EndsWith("************ ******", string.Concat(lines));
    }

    [Fact]
    public void Each_line_of_a_value_is_looked_for_and_short_values_are_left()
    {
        var redactor = NewRedactor("first line\nsecond line\n", "abc");
        Assert.Equal("*********** and abc", redactor.Apply("second line and abc"));
        Assert.Equal("**********", redactor.Apply("first line"));
    }

    [Fact]
    public void A_process_is_told_from_a_later_one_with_its_number()
    {
        var own = ProcessIdentity.Own;
        Assert.True(own.IsRunning);
        Assert.False((own with { StartTime = own.StartTime + 1 }).IsRunning);
        Assert.Null(ProcessIdentity.Of(int.MaxValue));
    }
}
