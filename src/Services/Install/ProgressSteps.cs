using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>Progress in steps inside of each other: what a script says of its innermost step becomes percent of the whole.</summary>
internal sealed class ProgressSteps
{
    private const double Whole = 100;
    private readonly List<Step> _open = [];

    private Step Innermost => _open.Count == 0 ? new Step("", 0, Whole) : _open[^1];

    /// <summary>Percent of the innermost step.</summary>
    public InstallProgress Progress(double percent, string text)
    {
        if (percent is not (>= 0 and <= Whole))
        {
            throw Invalid($"{percent} % is no progress; it is from 0 to 100");
        }

        ScriptBounds.CheckText(text, ScriptLimits.MaxText, "the text of a progress");
        return At(Innermost.Map(percent), text);
    }

    /// <summary>Opens a step in the innermost one.</summary>
    public InstallProgress Open(string name, double from, double to)
    {
        ScriptBounds.CheckText(name, ScriptLimits.MaxStepName, "the name of a step");
        if (!(from >= 0 && from < to && to <= Whole))
        {
            throw Invalid($"a step goes from a lower to a higher percent, 0 to 100, not from {from} to {to}");
        }

        if (_open.Count == ScriptLimits.MaxSteps)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Refused, $"{ScriptLimits.MaxSteps} steps are open already, inside of each other; close one first");
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

    private InstallProgress At(double percent, string text)
    {
        var progress = new InstallProgress { MilliPercent = (uint)Math.Round(percent * 1000), Text = text };
        foreach (var step in _open)
        {
            progress.Steps.Add(step.Name);
        }

        return progress;
    }

    private static ChannelException Invalid(string what) => new(ChannelError.InvalidArgument, ErrorClass.Refused, what);

    // In percent of the whole, with fractions, because steps inside of steps would lose too much otherwise.
    private readonly record struct Step(string Name, double From, double To)
    {
        public double Map(double percent) => From + ((To - From) * percent / Whole);
    }
}
