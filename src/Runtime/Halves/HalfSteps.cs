using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Progress in steps inside of each other: what a script says of its innermost step becomes percent of the whole.</summary>
internal sealed class HalfSteps
{
    private readonly List<Step> _open = [];

    private Step Innermost => _open.Count == 0 ? new Step("", 0, HalfLimits.Whole) : _open[^1];

    /// <summary>Percent of the innermost step.</summary>
    public InstallProgress Progress(uint milliPercent, string text)
    {
        if (milliPercent > HalfLimits.Whole)
        {
            throw Invalid($"{milliPercent / 1000.0} % is no progress; it is from 0 to 100");
        }

        HalfBytes.CheckText(text, HalfLimits.MaxText, "the text of a progress");
        return At(Innermost.Map(milliPercent), text);
    }

    /// <summary>Opens a step in the innermost one.</summary>
    public InstallProgress Open(string name, uint from, uint to)
    {
        HalfBytes.CheckText(name, HalfLimits.MaxStepName, "the name of a step");
        if (from >= to || to > HalfLimits.Whole)
        {
            throw Invalid($"a step goes from a lower to a higher percent, 0 to 100, not from {from / 1000.0} to {to / 1000.0}");
        }

        if (_open.Count == HalfLimits.MaxSteps)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"{HalfLimits.MaxSteps} steps are open already, inside of each other; close one first");
        }

        var outer = Innermost;
        _open.Add(new Step(name, outer.Map(from), outer.Map(to)));
        return At(Innermost.From, "");
    }

    /// <summary>Closes the innermost step, which is then done.</summary>
    public InstallProgress Close()
    {
        if (_open.Count == 0)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, "no step is open that could be closed");
        }

        var done = Innermost.To;
        _open.RemoveAt(_open.Count - 1);
        return At(done, "");
    }

    private InstallProgress At(double milliPercent, string text)
    {
        var progress = new InstallProgress { MilliPercent = (uint)Math.Round(milliPercent), Text = text };
        foreach (var step in _open)
        {
            progress.Steps.Add(step.Name);
        }

        return progress;
    }

    private static ChannelException Invalid(string what) => new(ChannelError.InvalidArgument, ErrorClass.Refused, what);

    // In thousandths of a percent of the whole; fractions, because steps inside of steps would lose too much otherwise.
    private readonly record struct Step(string Name, double From, double To)
    {
        public double Map(uint milliPercent) => From + ((To - From) * milliPercent / HalfLimits.Whole);
    }
}
